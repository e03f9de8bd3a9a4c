"""A small collection with titles, topics, years, dates and hostile texts."""

from __future__ import annotations

from hybridge import Passage

__all__ = ["HOSTILE", "PASSAGES"]

_TEXTS = """\
Aspirin, medicine, 1999
Aspirin thins the blood and lowers the risk of a stroke. Low doses are taken daily by patients
who had a heart attack before.

Willow bark, medicine, 2003
Extracts of willow bark relieve pain; their salicin is a relative of aspirin.

Heparin, medicine, 2011
Heparin keeps blood from clotting during surgery. Its dose depends on weight.

Stroke, medicine, 2015
A stroke is a sudden loss of blood flow to the brain. Every minute counts for its treatment.

Platelets, medicine, 2018
Platelets gather at a wound and form a clot, so that bleeding stops.

Sourdough, kitchen, 2020
Sourdough bread rises by wild yeasts and lactic bacteria, slower than with baker's yeast.

Baker's yeast, kitchen, 2012
Yeast ferments sugar to carbon dioxide, which makes dough rise.

Salt, kitchen, 2007
Salt slows the yeast, strengthens gluten and gives bread its taste.

Rye, kitchen, 2016
Rye flour has little gluten; its bread is dense and keeps for a week.

Oven, kitchen, 2021
A hot oven with steam gives bread a thin, shining crust.

Centrifugal pump, machines, 2009
A centrifugal pump moves fluids by a rotating impeller. The shaft seal keeps the liquid inside.

Shaft seal, machines, 2014
Mechanical shaft seals leak when their faces run dry: check the flush before starting the pump.

Cavitation, machines, 2017
Cavitation sounds like gravel in the pump and eats the impeller.

Bearing, machines, 2019
Bearings fail by poor lubrication more often than by load. Grease them by the hours they run.

Valve XR-500, machines, 2022
The XR-500 closes within two seconds when pressure drops below four bar.

Heart, medicine, 2013
The heart is a pump of four chambers, and its valves open in one direction."""


def _parts(block: str) -> tuple[str, str, int, str]:
    head, _, text = block.partition("\n")
    title, topic, year = head.split(", ")
    return title, topic, int(year), " ".join(text.split())


PASSAGES = [
    Passage(
        title.lower().replace(" ", "-").replace("'", ""),
        text,
        {
            "title": title,
            "topic": topic,
            "year": year,
            "published": f"{year}-{1 + year % 12:02}-15",
            "tags": [topic, "old" if year < 2010 else "new"],
            "reviewed": year % 2 == 0,
        },
    )
    for title, topic, year, text in map(_parts, _TEXTS.split("\n\n"))
]
SCRIPT = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"
HOSTILE = [
    Passage(
        f"{SCRIPT}/../../etc/passwd?a=1&b=2#c%2F\"'",
        f"Hostile zebra {SCRIPT} ]]> {{{{ 7 * 7 }}}} {{% raw %}} </style></textarea></template>",
        {"title": f"{SCRIPT} zebra", "topic": "hostile", "note <b>": "<i>x</i>"},
    ),
    Passage(
        "long", f"Zebra {'w' * 4000} {'https://example.org/' + 'a' * 500}", {"topic": "hostile"}
    ),
    Passage(
        "rtl",
        "حمار وحشي zebra ‮override‬ עברית: זברה היא בעל חיים מפוספס.",
        {"title": "حمار وحشي", "topic": "hostile"},
    ),
    Passage("blank", "zebra \x07\x1b[31m\n\n\n\t .", {"title": " ", "topic": "hostile"}),
]
