from __future__ import annotations

from onetape.store.config import load_config


def test_a_byte_order_mark_is_no_part_of_the_configuration(tmp_path):
    path = tmp_path / "onetape.toml"
    path.write_text('[venues.kraken]\nkind = "kraken"\n', encoding="utf-8-sig")
    assert load_config(path, {}).venues["kraken"].kind == "kraken"
