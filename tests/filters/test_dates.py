from __future__ import annotations

import datetime as dt
import random

import pytest
import qdrant_edge as edge
from hypothesis import assume, given
from hypothesis import strategies as st

from hybridge.filters.dates import instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", "1970-01-01T00:00:00+00:00"),
        ("1970-01-01T00:01", "1970-01-01T00:01:00+00:00"),
        ("1970-01-01 00:01", "1970-01-01T00:01:00+00:00"),
        ("1970-01-01T00:00:01", "1970-01-01T00:00:01+00:00"),
        ("1970-01-01T00:00:00.1", "1970-01-01T00:00:00.100000+00:00"),
        ("1970-01-01T00:00:00.123456789Z", "1970-01-01T00:00:00.123456+00:00"),
        ("1970-01-01T02:00:00+02:00", "1970-01-01T00:00:00+00:00"),
        ("1970-01-01T02:00:00+0200", "1970-01-01T00:00:00+00:00"),
        ("1970-01-01T02:00:00+02", "1970-01-01T00:00:00+00:00"),
        ("1969-12-31T22:30:00-01:30", "1970-01-01T00:00:00+00:00"),
        ("1970-01-01t00:00:00z", "1970-01-01T00:00:00+00:00"),
        ("1970-01-01 00:00:00 UTC", "1970-01-01T00:00:00+00:00"),
        ("1970-1-1", "1970-01-01T00:00:00+00:00"),
        (" 1970-01-01", "1970-01-01T00:00:00+00:00"),
        ("1970-01-01T23:59:60Z", "1970-01-02T00:00:00+00:00"),
        ("0001-01-01", "0001-01-01T00:00:00+00:00"),
        ("2000-02-29", "2000-02-29T00:00:00+00:00"),
    ],
)
def test_instants(text, expected):
    moment = instant(text)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020",
        "2020-01",
        "20200101",
        "2020-13-01",
        "2020-02-30",
        "1900-02-29",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:60",
        "2020-01-01T00:00Z",
        "2020-01-01T00",
        "2020-01-01 ",
        "2020-01-01T00:00:00,5Z",
        "2020-01-01T00:00:00+24:00",
        "2020-01-01T00:00:00+00:60",
        "2020-W01-1",
        "12020-01-01",
        "0000-01-01",
        "0001-01-01T00:00:00+02:00",
        "9" * 5000 + "-01-01",
        "٢٠٢٠-01-01",
        "yesterday",
    ],
)
def test_no_dates(text):
    assert instant(text) is None


@given(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=st.timezones()))
def test_what_python_writes_is_read(moment):
    offset = moment.utcoffset()
    assume(offset is not None and not offset % dt.timedelta(minutes=1))  # ISO has no seconds there
    assert instant(moment.isoformat()) == (moment.replace(tzinfo=None) - offset).replace(
        tzinfo=dt.UTC
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dt.date(2020, 1, 31), "2020-01-31T00:00:00+00:00"),
        (dt.datetime(2020, 1, 31, 12), "2020-01-31T12:00:00+00:00"),
        (
            dt.datetime(2020, 1, 31, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2020-01-30T22:00:00+00:00",
        ),
    ],
)
def test_dates_become_instants_in_utc(value, expected):
    moment = instant(value)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize(
    "value", [dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), 2020, None, ["x"]]
)
def test_other_values_are_no_instants(value):
    assert instant(value) is None


def test_strings_are_dates_exactly_where_qdrants_index_says_so(tmp_path):
    chance = random.Random(0)

    def pick(*options: str) -> str:
        return chance.choice(options)

    def spelling() -> str:
        pad = pick("", "", "", " ")
        text = pick("", "", "", "", " ", "\n") + pick("2020", "1969", "20", "12020")
        text += f"-{pad}{pick('01', '1', '12', '13', '00')}-{pick('01', '5', '29', '31', '32')}"
        if chance.random() < 0.8:
            text += pick("T", "T", "t", " ", "  ", "T ") + pick("00", "7", "23", "24")
            text += ":" + pick("00", "5", "59", "60")
        if chance.random() < 0.7:
            text += ":" + pick("00", "5", "59", "60", "61") + pick("", "", ".1", ".123456789", ".")
        text += pick("", "", "Z", "z", " Z", " UTC", " utc", "+00:00", "+0000", "+00", "-05:30")
        return text + pick("", "", "", "", " +14:00", "+02: 00", "−01:00", "+24:00", "+01:60", " ")

    texts = sorted({spelling() for _ in range(4000)})
    expected = [instant(text) for text in texts]
    shard = edge.EdgeShard.create(
        str(tmp_path),
        edge.EdgeConfig(vectors={"v": edge.EdgeVectorParams(1, edge.Distance.Dot)}),
    )
    points = [edge.Point(i, {"v": [1.0]}, {"day": text}) for i, text in enumerate(texts)]
    shard.update(edge.UpdateOperation.upsert_points(points))
    shard.update(edge.UpdateOperation.create_field_index("day", edge.PayloadSchemaType.Datetime))

    def found(**bounds: str) -> set[int]:
        condition = edge.FieldCondition(key="day", range=edge.RangeDateTime(**bounds))
        request = edge.ScrollRequest(limit=len(texts), filter=edge.Filter(must=[condition]))
        return {int(record.id) for record in shard.scroll(request)[0]}

    assert 100 < sum(value is not None for value in expected) < len(texts)
    for bound in ("2020-01-01T00:00:00Z", "2020-12-29T00:00:05Z", "1969-01-05T07:06:00.1Z"):
        limit = instant(bound)
        assert limit is not None
        later = {i for i, value in enumerate(expected) if value is not None and value >= limit}
        earlier = {i for i, value in enumerate(expected) if value is not None and value < limit}
        assert [texts[i] for i in found(gte=bound) ^ later] == []
        assert [texts[i] for i in found(lt=bound) ^ earlier] == []
    shard.close()
