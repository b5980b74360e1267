"""The tool that every contender has."""


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."
