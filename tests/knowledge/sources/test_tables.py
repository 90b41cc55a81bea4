from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.sources.tables import MAX_ROWS, Cell, table_lines


def test_cells_over_rows_and_columns() -> None:
    table = [
        [Cell("A", rows=2), Cell("B", columns=2)],
        [Cell("c"), Cell("d")],
        [Cell("tout", columns=3)],
    ]
    assert table_lines(table) == ["A | B", "A | c | d", "tout"]


def test_a_cell_at_the_right_of_a_short_row() -> None:
    assert table_lines([[Cell("a"), Cell("b", rows=2)], [Cell("c")]]) == ["a | b", "c | b"]


def test_rows_without_text_of_their_own_are_left_out() -> None:
    assert table_lines([[Cell("a", rows=3), Cell("b")], [], [Cell("")], [Cell("d")]]) == [
        "a | b",
        "d",
    ]


def test_what_a_cell_covers_is_bounded() -> None:
    lines = table_lines([[Cell("a", rows=10**9, columns=10**9)], *([[Cell("b")]] * 300)])
    assert lines[1] == "a | b"
    assert lines.count("b") == 300 - (MAX_ROWS - 1)


cells = st.builds(Cell, st.text("ab", max_size=2), st.integers(-3, 10**9), st.integers(-3, 10**9))


@given(st.lists(st.lists(cells, max_size=5), max_size=8))
def test_no_text_is_lost_whatever_the_table(table: list[list[Cell]]) -> None:
    lines = iter(table_lines(table))
    for row in table:
        texts = [cell.text for cell in row if cell.text]
        if texts:
            said = iter(next(lines).split(" | "))
            assert all(text in said for text in texts)
    assert next(lines, None) is None
