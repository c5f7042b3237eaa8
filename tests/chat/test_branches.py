"""Branches: the path that is shown, against a naive reading of the tree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rrr_local.chat.branches import Tree


def test_asking_again_shows_the_new_branch_and_keeps_the_old_one() -> None:
    tree = Tree()
    for turn, parent in ((1, None), (2, 1), (3, 1), (4, 3), (5, None)):
        tree.add(turn, parent)
    assert tree.path() == [5]
    assert tree.step(5, 1) == 1 and tree.path() == [1, 3, 4]
    assert tree.step(3, -1) == 2 and tree.path() == [1, 2]
    assert tree.step(2, 1) == 3 and tree.path() == [1, 3, 4]
    assert tree.siblings(2) == [2, 3] and tree.siblings(4) == [4]


def test_a_turn_that_is_read_again_changes_nothing() -> None:
    tree = Tree()
    for turn, parent in ((1, None), (2, 1), (3, 1)):
        tree.add(turn, parent)
    tree.step(3, 1)
    tree.add(3, 1)
    assert tree.path() == [1, 2]


@given(st.data())
def test_the_path_leads_from_the_beginning_to_a_leaf_through_what_was_chosen(data: st.DataObject) -> None:
    tree, parents = Tree(), dict[int, int | None]()
    for turn in range(1, data.draw(st.integers(1, 12)) + 1):
        parents[turn] = data.draw(st.sampled_from([None, *parents]))
        tree.add(turn, parents[turn])
        assert tree.path()[-1] == turn
    for turn in data.draw(st.lists(st.sampled_from(sorted(parents)), max_size=6)):
        siblings = [each for each in parents if parents[each] == parents[turn]]
        assert tree.siblings(turn) == siblings
        begun = tree.step(turn, 1)
        assert begun == siblings[(siblings.index(turn) + 1) % len(siblings)]
        path = tree.path()
        assert begun in path
        assert [parents[each] for each in path] == [None, *path[:-1]]
        assert path[-1] not in parents.values()
