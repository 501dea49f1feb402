"""The clock's values: what is valid, what is not and why, alone and while another thread writes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms_cache_mw.core.status import Reason
from cms_cache_mw.purge.clock import Clock, Logged, State, Token
from tests.purge.interleaving import every_switch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import Clock as Ticker

EPOCH = 7
NOW = 100.0
MENU, PAGE, FOOTER = 1, 2, 3


@dataclass
class Page:
    """An entry as the clock sees it."""

    base: int
    prints: tuple[int, ...] = (MENU, PAGE)
    epoch: int = EPOCH


def leased(pos: int = 5, *, capacity: int = 100, until: float = inf) -> Clock:
    """A clock that has applied purges up to `pos` and holds a lease."""
    clock = Clock(capacity)
    clock.begin(State(EPOCH, pos, b"tip"))
    clock.grant(until)
    return clock


def purge(clock: Clock, *tags: int, kind: str = "hard", grace: float = 0.0, now: float = NOW) -> int:
    """Apply the next purge; gives its number."""
    seq = clock.state.pos + 1
    clock.apply([Logged(seq, b"n%d" % seq, kind, tags, grace)], now)
    return seq


def test_nothing_is_known_before_the_first_epoch() -> None:
    """A render that begins before the first epoch is known gets a token that no entry will ever be valid by."""
    clock = Clock()
    assert clock.token == Token(0, 0)
    assert clock.check(Page(0, epoch=0), NOW) is Reason.UNSURE


def test_lease_ends_at_its_end() -> None:
    """A lease covers the instants before its end and not the end itself."""
    clock = leased(until=NOW)
    assert clock.holds(NOW - 0.001)
    assert not clock.holds(NOW)
    assert clock.check(Page(5), NOW - 0.001) is None
    assert clock.check(Page(5), NOW) is Reason.UNSURE


def test_lease_never_gets_shorter() -> None:
    """A grant that ends earlier than the one held changes nothing; only `revoke` takes a lease away."""
    clock = leased(until=NOW)
    clock.grant(NOW - 50)
    assert clock.holds(NOW - 1)
    clock.revoke()
    assert not clock.holds(0)


def test_other_epoch_is_void() -> None:
    """What was rendered in another epoch is of no use, whatever its numbers."""
    assert leased().check(Page(5, epoch=EPOCH + 1), NOW) is Reason.EPOCH


def test_purge_voids_what_began_before_it() -> None:
    """An entry is void once one of its tags was purged after its base, and only then."""
    clock = leased()
    before, other = Page(5), Page(5, (FOOTER,))
    seq = purge(clock, PAGE, 99)
    assert clock.check(before, NOW) is Reason.PURGED
    assert clock.check(other, NOW) is None
    assert clock.check(Page(seq), NOW) is None
    assert clock.token == Token(EPOCH, seq)


def test_hit_raises_the_base() -> None:
    """A valid entry counts as of the position it was checked at, so that the next check is one comparison."""
    clock = leased()
    page = Page(5, (FOOTER,))
    purge(clock, MENU)
    assert clock.check(page, NOW) is None
    assert page.base == 6


def test_base_ahead_of_the_worker_is_kept() -> None:
    """What the server has validated at a position that this worker has still to apply stays at that position."""
    clock = leased()
    page = Page(8)
    assert clock.check(page, NOW) is None
    assert page.base == 8
    for _ in range(3):
        purge(clock, PAGE)
    assert clock.check(page, NOW) is None
    purge(clock, PAGE)
    assert clock.check(page, NOW) is Reason.PURGED


def test_soft_purge_is_stale_and_then_hard() -> None:
    """A soft purge leaves entries usable as stale until its grace has ended, to the instant."""
    clock = leased()
    page = Page(5)
    purge(clock, PAGE, kind="soft", grace=10)
    assert clock.check(page, NOW + 9.999) is Reason.SOFT_PURGED
    assert page.base == 5
    assert clock.check(Page(6), NOW) is None
    assert clock.check(Page(5, (FOOTER,)), NOW) is None
    assert clock.check(page, NOW + 10) is Reason.PURGED


def test_what_began_at_a_soft_purge_is_fresh() -> None:
    """A render that begins when a soft purge has been applied is fresh, also once the clock has gone on."""
    clock = leased()
    after = Page(purge(clock, PAGE, kind="soft", grace=10))
    purge(clock, FOOTER)
    assert clock.check(after, NOW) is None


def test_stale_entry_does_not_age_past_a_pending_soft_purge() -> None:
    """Another purge of something else does not raise the base of an entry that waits to be replaced."""
    clock = leased()
    page = Page(5)
    purge(clock, PAGE, kind="soft", grace=10)
    purge(clock, FOOTER)
    assert clock.check(page, NOW) is Reason.SOFT_PURGED
    assert page.base == 5


def test_hard_purge_beats_a_soft_one() -> None:
    """Of two purges the hard one counts, in either order."""
    clock = leased()
    purge(clock, PAGE, kind="soft", grace=10)
    purge(clock, MENU)
    assert clock.check(Page(5), NOW) is Reason.PURGED


def test_repeated_soft_purge_does_not_prolong() -> None:
    """What the first soft purge touched is void when its own grace ends, though there was a second."""
    clock = leased()
    page = Page(5)
    purge(clock, PAGE, kind="soft", grace=10)
    purge(clock, PAGE, kind="soft", grace=10, now=NOW + 9)
    assert clock.check(page, NOW + 9) is Reason.SOFT_PURGED
    assert clock.check(page, NOW + 10) is Reason.PURGED


def test_soft_purge_after_a_finished_one() -> None:
    """The second soft purge has a grace of its own once that of the first has ended; the first is hard then."""
    clock = leased()
    purge(clock, PAGE, kind="soft", grace=10)
    between = Page(clock.token.pos)
    purge(clock, PAGE, kind="soft", grace=10, now=NOW + 10)
    assert clock.check(Page(5), NOW + 10) is Reason.PURGED
    assert clock.check(between, NOW + 19) is Reason.SOFT_PURGED
    assert clock.check(between, NOW + 20) is Reason.PURGED


def test_soft_purge_that_comes_late_is_hard() -> None:
    """Without a lease nobody knows how long ago a soft purge was answered, so its grace counts as ended."""
    clock = leased(until=NOW)
    purge(clock, PAGE, kind="soft", grace=10, now=NOW)
    clock.grant(inf)
    assert clock.check(Page(5), NOW) is Reason.PURGED


def test_finished_soft_purges_are_kept_as_hard_ones() -> None:
    """Soft purges whose grace has ended move to the hard ones, others stay; verdicts do not change."""
    clock = leased()
    purge(clock, PAGE, kind="soft", grace=10)
    purge(clock, MENU, kind="soft", grace=20)
    clock.settle_soft(NOW + 10)
    assert list(clock.state.soft) == [MENU]
    assert clock.check(Page(5, (PAGE,)), NOW + 15) is Reason.PURGED
    assert clock.check(Page(5, (MENU,)), NOW + 15) is Reason.SOFT_PURGED


def test_finished_soft_purge_does_not_hide_a_later_hard_one() -> None:
    """Turning a soft purge into a hard one keeps the later number."""
    clock = leased()
    purge(clock, PAGE, kind="soft", grace=10)
    later = purge(clock, PAGE)
    clock.settle_soft(NOW + 10)
    assert clock.state.hard[PAGE] == later


def test_noop_purges_nothing() -> None:
    """A trial moves the position and voids nothing."""
    clock = leased()
    page = Page(5)
    purge(clock, kind="noop")
    assert clock.check(page, NOW) is None
    assert clock.token.pos == 6


def test_unknown_kind_is_hard() -> None:
    """A kind that a later version of this package may write is obeyed in the strictest way."""
    clock = leased()
    purge(clock, PAGE, kind="fancy", grace=10)
    assert clock.check(Page(5), NOW) is Reason.PURGED


def test_log_without_a_number_is_not_applied() -> None:
    """The numbers that are applied follow one another."""
    clock = leased()
    with pytest.raises(AssertionError, match="purge 7 after 5"):
        clock.apply([Logged(7, b"n", "hard", (PAGE,), 0)], NOW)
    assert clock.token.pos == 5


def test_pruning_raises_the_floor() -> None:
    """Beyond its capacity the clock forgets the oldest purges; what is older than those is unknown, what is newer is not."""
    clock = leased(0, capacity=10)
    for tag in range(100, 111):
        purge(clock, tag)
    assert clock.state.floor == 2
    assert clock.remembered == 9
    assert clock.check(Page(1, (100,)), NOW) is Reason.FLOOR
    assert clock.check(Page(1, (50,)), NOW) is Reason.FLOOR
    assert clock.check(Page(2, (100, 101, 50)), NOW) is None
    assert clock.check(Page(1, (110,)), NOW) is Reason.PURGED


def test_too_many_soft_purges_become_hard() -> None:
    """The table of soft purges is bounded: beyond it their graces end early."""
    clock = leased(0, capacity=10)
    for tag in range(100, 111):
        purge(clock, tag, kind="soft", grace=1000)
    assert not clock.state.soft
    assert clock.remembered <= 10
    assert clock.check(Page(3, (110,)), NOW) is Reason.PURGED


def test_new_history_ends_the_lease() -> None:
    """Another epoch, or the same one past a hole, starts without a lease and without what was known."""
    clock = leased()
    old = clock.state
    purge(clock, PAGE)
    clock.begin(State(EPOCH, 20, b"tip", floor=20))
    assert old.lease_until == -inf
    assert not clock.holds(0)
    clock.grant(inf)
    assert clock.check(Page(6), NOW) is Reason.FLOOR
    assert clock.check(Page(20), NOW) is None


def test_position_never_falls_within_an_epoch() -> None:
    """A history of the same epoch that is shorter than what was applied cannot be entered."""
    clock = leased(5)
    with pytest.raises(AssertionError, match="only grows"):
        clock.begin(State(EPOCH, 4, b"tip"))
    clock.begin(State(EPOCH + 1, 1, b"tip"))
    assert clock.token == Token(EPOCH + 1, 1)


class TestOutdate:
    """What visitors' unsafe requests changed is gone in this worker before its purge is recorded."""

    def test_gone_at_once(self) -> None:
        """An entry with the tag is void at once, one without is not."""
        clock = leased()
        clock.outdate([PAGE])
        assert clock.check(Page(5), NOW) is Reason.PURGED
        assert clock.check(Page(5, (FOOTER,)), NOW) is None
        assert clock.remembered == 1

    def test_until_its_purge_is_applied(self) -> None:
        """What is rendered meanwhile is not kept either; what is rendered after the purge is."""
        clock = leased()
        clock.outdate([PAGE])
        purge(clock, FOOTER)
        assert clock.check(Page(5), NOW) is Reason.PURGED
        seq = purge(clock, PAGE)
        assert clock.check(Page(5), NOW) is Reason.PURGED
        assert clock.check(Page(seq), NOW) is None
        assert not clock.state.outdated

    def test_too_many_outdate_everything(self) -> None:
        """Beyond the capacity all that memory holds counts as outdated, until the log goes on."""
        clock = leased(capacity=10)
        clock.outdate(range(100, 111))
        assert clock.remembered == 1
        assert clock.check(Page(5, (50,)), NOW) is Reason.FLOOR
        seq = purge(clock, FOOTER)
        assert clock.check(Page(5, (50,)), NOW) is Reason.FLOOR
        assert clock.check(Page(seq, (50,)), NOW) is None
        assert not clock.state.outdated


class TestSettle:
    """With a settling time a render counts as begun that much earlier."""

    @staticmethod
    def settling(clock: Ticker, pos: int = 5) -> Clock:
        """A clock that has known its epoch for long."""
        settling = Clock(settle=2.0, now=clock.now)
        settling.begin(State(EPOCH, pos, b"tip"))
        settling.grant(inf)
        clock.advance(60)
        return settling

    def test_render_soon_after_a_purge_counts_as_older(self, clock: Ticker) -> None:
        """What begins less than the settling time after a purge of its tag is void, other things are not."""
        settling = self.settling(clock)
        seq = purge(settling, PAGE, now=clock.now())
        clock.advance(1.9)
        base = settling.token.pos
        assert settling.check(Page(base), clock.now()) is Reason.PURGED
        assert settling.check(Page(base, (FOOTER,)), clock.now()) is None
        clock.advance(0.1)
        assert settling.token == Token(EPOCH, seq)

    def test_nothing_is_trusted_just_after_joining(self, clock: Ticker) -> None:
        """Who has just entered an epoch knows of no purge when it was made: nothing rendered in the settling time is kept."""
        settling = self.settling(clock)
        settling.begin(State(EPOCH + 1, 30, b"tip"))
        settling.grant(inf)
        assert settling.token == Token(EPOCH + 1, 0)
        assert settling.check(Page(0, (FOOTER,), EPOCH + 1), clock.now()) is Reason.FLOOR
        clock.advance(2.0)
        assert settling.token == Token(EPOCH + 1, 30)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.floats(0, 1) | st.floats(0, 0.05), st.booleans()), max_size=300))
    def test_is_never_newer_nor_much_older_than_it_should_be(self, steps: list[tuple[float, bool]]) -> None:
        """The position given is one that had been applied for the settling time, and at most a sixteenth out of date."""
        now = 1000.0
        settling = Clock(settle=2.0, now=lambda: now)
        settling.begin(State(EPOCH, 1, b"tip"))
        applied = [(now, 1)]
        for seconds, purged in steps:
            now += seconds
            if purged:
                applied.append((now, purge(settling, PAGE, now=now)))
            at_most = max((pos for at, pos in applied if at <= now - 2.0), default=0)
            at_least = max((pos for at, pos in applied if at <= now - 2.0 - 2.0 / 16), default=0)
            assert at_least <= settling.token.pos <= at_most

    def test_storm_leaves_few_marks(self, clock: Ticker) -> None:
        """However many purges come, some three dozen notes of where the clock stood are enough, and it goes on."""
        settling = self.settling(clock)
        for _ in range(4_000):
            clock.advance(0.001)
            purge(settling, PAGE, now=clock.now())
        assert len(settling.state.marks) < 40
        assert 2_000 - 130 <= settling.token.pos <= 2_005


@dataclass
class Reference:
    """The whole history, never pruned: what a clock has to agree with."""

    purges: list[tuple[str, frozenset[int], float]]

    def verdict(self, base: int, tags: tuple[int, ...], now: float) -> Reason | None:
        """What is true of an entry."""
        later = [purge for purge in self.purges[base:] if purge[1] & set(tags)]
        if any(kind == "hard" or until <= now for kind, _, until in later):
            return Reason.PURGED
        return Reason.SOFT_PURGED if later else None


TAGS = st.integers(0, 7)
ACTIONS = st.one_of(
    st.tuples(st.just("hard"), st.frozensets(TAGS, max_size=3), st.just(0.0)),
    st.tuples(st.just("soft"), st.frozensets(TAGS, max_size=3), st.floats(0, 10)),
    st.tuples(st.just("noop"), st.just(frozenset[int]()), st.just(0.0)),
    st.tuples(st.just("render"), st.frozensets(TAGS, min_size=1, max_size=3), st.just(0.0)),
    st.tuples(st.just("pass"), st.just(frozenset[int]()), st.floats(0, 10)),
)


@settings(deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.sampled_from([3, 5, 100]))
def test_agrees_with_the_whole_history(actions: list[tuple[str, frozenset[int], float]], capacity: int) -> None:
    """Nothing void is ever called valid, nothing valid void; without room for all purges some verdicts are unknown."""
    clock, reference, now = leased(0, capacity=capacity), Reference([]), NOW
    pages: list[tuple[Page, int]] = []
    for kind, tags, seconds in actions:
        match kind:
            case "render":
                pages.append((Page(clock.token.pos, tuple(tags)), clock.token.pos))
            case "pass":
                now += seconds
                clock.settle_soft(now)
            case _:
                purge(clock, *tags, kind=kind, grace=seconds, now=now)
                reference.purges.append((kind, tags, now + seconds))
        for page, born in pages:
            said, true = clock.check(page, now), reference.verdict(born, page.prints, now)
            # What began between two soft purges shares the grace of the first: void early is on the safe side.
            assert said is true or (said is Reason.PURGED and true is Reason.SOFT_PURGED) or said is Reason.FLOOR
            assert said is not Reason.FLOOR or capacity < 100
        assert clock.remembered <= 2 * capacity
        assert clock.state.floor <= clock.state.pos


class TestThreads:
    """Whatever the instant at which one thread gives way to the other, nothing void is served, now or later."""

    @staticmethod
    def run(prepare: Callable[[], tuple[Callable[[], object], Callable[[], object], Callable[[], None]]]) -> int:
        """The number of switches tried."""
        return sum(1 for _ in every_switch(prepare))

    def test_check_while_a_purge_is_applied(self) -> None:
        """A check that overlaps with a purge never carries the entry past it."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(4)

            def judge() -> None:
                assert clock.check(page, NOW) is Reason.PURGED

            return (lambda: clock.check(page, NOW)), (lambda: purge(clock, PAGE)), judge

        assert self.run(prepare) > 40

    def test_acknowledged_position_is_in_force(self) -> None:
        """Whoever sees the new position is refused what it purged: the map comes before the position."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(5)
            seen: list[tuple[int, Reason | None]] = []

            def look() -> None:
                seen.append((clock.token.pos, clock.check(page, NOW)))

            def judge() -> None:
                assert seen[0] == (5, None) or seen[0][1] is Reason.PURGED

            return (lambda: purge(clock, PAGE)), look, judge

        assert self.run(prepare) > 40

    def test_check_while_a_soft_purge_hardens(self) -> None:
        """An entry whose grace has ended is void at every instant of the move from soft to hard."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(5)
            purge(clock, PAGE, kind="soft", grace=1)
            seen: list[Reason | None] = []

            def judge() -> None:
                assert seen == [Reason.PURGED]

            return (lambda: seen.append(clock.check(page, NOW + 1))), (lambda: clock.settle_soft(NOW + 1)), judge

        assert self.run(prepare) > 40

    def test_check_while_a_second_soft_purge_is_applied(self) -> None:
        """The first soft purge of a tag is never lost from sight while the second replaces it."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(5)
            purge(clock, PAGE, kind="soft", grace=1)
            seen: list[Reason | None] = []

            def judge() -> None:
                assert seen == [Reason.PURGED]

            again = Logged(7, b"n", "soft", (PAGE,), 60)
            return (lambda: seen.append(clock.check(page, NOW + 1))), (lambda: clock.apply([again], NOW + 1)), judge

        assert self.run(prepare) > 40

    def test_check_while_the_oldest_are_forgotten(self) -> None:
        """A purge that is being forgotten is refused by number or by floor, never overlooked."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(0, capacity=3), Page(0, (MENU,))
            for tag in (MENU, PAGE, FOOTER):
                purge(clock, tag)
            seen: list[Reason | None] = []

            def judge() -> None:
                assert seen[0] in {Reason.PURGED, Reason.FLOOR}
                assert clock.check(page, NOW) in {Reason.PURGED, Reason.FLOOR}

            return (lambda: seen.append(clock.check(page, NOW))), (lambda: purge(clock, 4)), judge

        assert self.run(prepare) > 40

    def test_check_while_another_epoch_begins(self) -> None:
        """A check across the change of epochs may finish in the old one and leaves nothing valid in the new one."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(4)

            def judge() -> None:
                assert not clock.holds(0)
                clock.grant(inf)
                assert clock.check(page, NOW) is Reason.EPOCH

            fresh = State(EPOCH + 1, 5, b"tip")
            return (lambda: clock.check(page, NOW)), (lambda: clock.begin(fresh)), judge

        assert self.run(prepare) > 40

    def test_check_while_the_past_is_trimmed_away(self) -> None:
        """The same where the epoch stays and the position jumps: what is older is unknown."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(4)

            def judge() -> None:
                clock.grant(inf)
                assert clock.check(page, NOW) is Reason.FLOOR

            jump = State(EPOCH, 9, b"tip", floor=9)
            return (lambda: clock.check(page, NOW)), (lambda: clock.begin(jump)), judge

        assert self.run(prepare) > 40

    def test_outdate_while_a_purge_of_the_same_is_applied(self) -> None:
        """A visitor's own change never takes anything back from the log: the later purge stays in force."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock = leased()
            clock.outdate([PAGE])
            pages = [Page(base) for base in (5, 6)]
            purges = [Logged(6, b"n", "hard", (PAGE,), 0), Logged(7, b"n", "hard", (PAGE,), 0)]
            visitor = when_free(clock, lambda: clock.outdate([PAGE]))
            follower = when_free(clock, lambda: clock.apply(purges, NOW))

            def judge() -> None:
                visitor()
                follower()
                assert clock.state.hard[PAGE] == 7
                assert [clock.check(page, NOW) for page in pages] == [Reason.PURGED, Reason.PURGED]

            return visitor, follower, judge

        def when_free(clock: Clock, action: Callable[[], None]) -> Callable[[], None]:
            # While one thread is in there the other waits, which on a single thread means until afterwards.
            pending = [action]

            def act() -> None:
                if pending and not clock._outdating.locked():
                    pending.pop()()

            return act

        assert self.run(prepare) > 40

    def test_check_while_the_purge_of_what_is_outdated_is_applied(self) -> None:
        """What is gone in this worker stays gone at every instant of the change from the own mark to the log's."""

        def prepare() -> tuple[Callable[[], object], Callable[[], object], Callable[[], None]]:
            clock, page = leased(), Page(5)
            clock.outdate([PAGE])
            seen: list[Reason | None] = []

            def judge() -> None:
                assert seen == [Reason.PURGED]

            return (lambda: seen.append(clock.check(page, NOW))), (lambda: purge(clock, PAGE)), judge

        assert self.run(prepare) > 40

    def test_outdate_from_many_threads(self) -> None:
        """Visitors and the log write at the same time; nothing raises, and the last purge of each tag is in force."""
        clock = leased(capacity=50)
        stop = threading.Event()
        failures: list[BaseException] = []

        def visit() -> None:
            try:
                while not stop.is_set():
                    clock.outdate(range(40))
                    clock.check(Page(clock.token.pos, tuple(range(40))), NOW)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test says so
                failures.append(error)

        visitors = [threading.Thread(target=visit) for _ in range(2)]
        for visitor in visitors:
            visitor.start()
        for number in range(2_000):
            purge(clock, number % 40, 100 + number % 30)
        stop.set()
        for visitor in visitors:
            visitor.join()
        assert not failures
        assert all(clock.check(Page(clock.state.pos - 40, (tag,)), NOW) is not None for tag in range(40))


class TestEdges:
    """Numbers at the edge between one thing and another, which mutants had got past."""

    def test_trial_purges_nothing(self) -> None:
        """A noop counts, and makes nothing unusable, whatever it names."""
        clock = leased()
        assert purge(clock, MENU, kind="noop") == 6
        assert clock.check(Page(5), NOW) is None
        assert clock.remembered == 0

    def test_remembered_of_each_kind(self) -> None:
        """Hard, soft and outdated fingerprints take memory alike."""
        clock = leased()
        purge(clock, MENU)
        purge(clock, PAGE, FOOTER, kind="soft", grace=9.0)
        clock.outdate([8, 9, 10])
        assert clock.remembered == 1 + 2 + 3

    def test_rendered_after_what_was_outdated(self) -> None:
        """What is outdated here counts as purged by the next number: a render that begins at that number is newer."""
        clock = leased()
        clock.outdate([MENU])
        purge(clock, FOOTER)
        assert clock.check(Page(5), NOW) is Reason.PURGED
        assert clock.check(Page(6), NOW) is None

    def test_nobody_is_outdated_by_another(self) -> None:
        """What is outdated says nothing of entries with other tags, not even of those from before the first purge."""
        clock = leased(0)
        clock.outdate([FOOTER])
        assert clock.check(Page(0), NOW) is None
        purge(clock, PAGE)
        assert clock.check(Page(0, (FOOTER,)), NOW) is Reason.PURGED

    def test_capacity_of_what_is_outdated(self) -> None:
        """As many as the capacity are told apart."""
        clock = leased(capacity=2)
        clock.outdate([MENU, PAGE])
        assert clock.check(Page(5, (FOOTER,)), NOW) is None

    def test_same_position_anew(self) -> None:
        """A history that was trimmed away may go on at the very position that is known."""
        clock = leased()
        clock.begin(State(EPOCH, 5, b"tip", floor=5))
        assert clock.token == Token(EPOCH, 5)

    def test_settling_before_and_at_the_first_epoch(self, clock: Ticker) -> None:
        """A settling clock knows nothing before the first epoch either, and what is rendered at its first number is valid later."""
        settling = Clock(settle=5.0, now=clock.now)
        assert settling.token == Token(0, 0)
        settling.begin(State(EPOCH, 1, b"tip", lease_until=inf))
        clock.advance(10.0)
        assert settling.token == Token(EPOCH, 1)
        assert settling.check(Page(1), clock.now()) is None
        purge(settling, FOOTER, now=clock.now())
        assert settling.check(Page(1), clock.now()) is None
