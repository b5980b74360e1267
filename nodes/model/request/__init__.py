"""Write requests in a form that the model server accepts."""
