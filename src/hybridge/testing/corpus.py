"""The small English corpus of the suites, and queries that share words with it."""

from __future__ import annotations

from ..passages import Passage

__all__ = ["PASSAGES", "QUERIES"]

_TEXTS: dict[str, list[tuple[int, str]]] = {
    "sea": [
        (1998, "The tide rises twice a day because the moon pulls on the water of the sea."),
        (2003, "Salt makes sea water denser, so a swimmer floats higher in it than in a lake."),
        (2003, "Light fades within two hundred metres of the surface; below, the sea is dark."),
        (2011, "A coral reef is built by small animals that take lime out of warm water."),
        (2017, "Whales sing at low pitches that carry through cold water for hundreds of miles."),
        (2022, "A lighthouse warns ships of rocks with a light they see at night for miles."),
    ],
    "sky": [
        (1998, "The sky is blue because air scatters the blue part of the sun's light most."),
        (2005, "Warm air rises, cools, and drops its water as rain when it meets a mountain."),
        (2005, "Lightning heats the air around it so fast that the air claps as thunder."),
        (2011, "A telescope gathers the light of faint stars in a mirror as wide as a house."),
        (2017, "Migrating geese find their way at night by the stars and by the earth's pull."),
        (2023, "Hail grows in tall clouds, where wind throws drops of water back into the cold."),
    ],
    "kitchen": [
        (1999, "Bread rises because yeast turns sugar into gas that the dough does not let go."),
        (2003, "Salt seasons pasta water but hardly changes the heat at which it boils."),
        (2008, "Hot oil drives the water out of a crust, and that keeps fried food crisp."),
        (2011, "Egg white beaten with air becomes foam, and sugar keeps the foam from falling."),
        (2019, "Tea tastes bitter when its leaves stay too long in water that is too hot."),
        (2022, "Fish keeps for months in salt, which draws out the water that mould would need."),
    ],
    "machines": [
        (1999, "A steam engine turns the heat of boiling water into the motion of a wheel."),
        (2005, "A pump lifts water by making room that the air outside then pushes it into."),
        (2008, "A refrigerator moves heat from its cold inside to the warm air of the kitchen."),
        (2014, "A bicycle chain carries the motion of the legs to the rear wheel."),
        (2019, "Solar cells turn light into current, and they work best in cold, clear air."),
        (2023, "A clock counts the swings of a pendulum or the beats of a crystal."),
    ],
}

PASSAGES: tuple[Passage, ...] = tuple(
    Passage(f"{topic}-{number}", text, {"topic": topic, "year": year})
    for topic, texts in _TEXTS.items()
    for number, (year, text) in enumerate(texts, start=1)
)
"""24 passages, six a topic; the metadata are ``topic`` (a string) and ``year`` (a number)."""

QUERIES: tuple[str, ...] = (
    "why does salt water boil",
    "the light of the stars at night",
    "warm air rises",
    "what turns heat into the motion of a wheel",
    "cold water",
    "sugar keeps the foam from falling",
)
"""Each shares words with several passages, of more than one topic."""
