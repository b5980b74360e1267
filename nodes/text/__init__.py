"""Characters, words and JSON values, as everything else reads them."""
