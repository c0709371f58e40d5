"""Evidence on demand, whatever happens and wherever the operator is killed: what was raised is known, and comes back."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.builders import SWITCHES, T0

from firebreak.api.v1alpha1.aiservice import Mode, SamplingRate
from firebreak.api.v1alpha1.sampling import RaisePhase, SamplingRaiseStatus
from firebreak.core.commands import Reason
from firebreak.core.field_writes import ours, value_of
from firebreak.core.ports import ABSENT, Absent, Changed, Landed, Missing, Refused, WriteResult
from firebreak.core.sampling_raise import QUIET_STEPS, Sampling, decide_sampling
from firebreak.core.sampling_record import after_write, is_raised
from firebreak.core.sampling_time import CEILING_STEPS, is_too_long, raised_lately, spent_today
from firebreak.core.situation import Hold
from firebreak.core.verdict import Tier

DECLARED = SamplingRate.model_validate(
    {"target": SWITCHES.dump(), "path": "$.data['sampling']", "raised": "20%", "dailyBudget": "3h"}
)
CEILING = timedelta(minutes=CEILING_STEPS)
PAUSED = Hold(reason=Reason.PAUSED, because="someone has paused it")


class Sampled(RuleBasedStateMachine):
    """One service, the place that holds its rate, and an operator that can be killed between any two lines."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.place: str | Absent | None = "2%"  # None: the object is gone
        self.ours = False  # what stands there was put there by Firebreak
        self.refuses = False
        self.s = Sampling(declared=DECLARED, record=SamplingRaiseStatus(), held="2%", mode=Mode.ENFORCE)

    @initialize()
    def at_watch(self) -> None:
        self.s = replace(self.s, tier=Tier.WATCH, because="groundedness is at Watch")

    # --- what happens

    @rule(
        tier=st.sampled_from(Tier),
        quiet=st.sampled_from([None, 0, QUIET_STEPS - 1, QUIET_STEPS]),
        proof=st.sampled_from(["", "whether RollBack helps is being proven"]),
        changed=st.sampled_from([None, timedelta(minutes=1), timedelta(hours=1)]),
    )
    def evidence_comes(self, tier: Tier, quiet: int | None, proof: str, changed: timedelta | None) -> None:
        self.s = replace(self.s, tier=tier, quiet_steps=quiet, proof=proof, changed_ago=changed)

    @rule(
        declared=st.sampled_from([DECLARED, DECLARED.model_copy(update={"raised": "50%"}), None]),
        mode=st.sampled_from(Mode),
        holds=st.sampled_from([(), (), (PAUSED,)]),
        free=st.booleans(),
        refuses=st.booleans(),
    )
    def someone_declares(
        self, declared: SamplingRate | None, mode: Mode, holds: tuple[Hold, ...], free: bool, refuses: bool
    ) -> None:
        self.s, self.refuses = replace(self.s, declared=declared, mode=mode, holds=holds, free=free), refuses

    @rule(value=st.sampled_from(["2%", "5%", "20%", ABSENT, None]))
    def someone_else_writes(self, value: str | Absent | None) -> None:
        self.place, self.ours = value, False

    @rule(minutes=st.sampled_from([1, 10, 61, 600]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    # --- what the operator does; between any two of these it may be killed, and begins anew

    @rule()
    def decides(self) -> None:
        seen = self._seen()
        decided = decide_sampling(seen, self.now)
        again = decide_sampling(replace(seen, record=decided.record), self.now)
        assert again.record == decided.record, "deciding twice is once"
        if decided.record.phase is RaisePhase.INTENDED and seen.record.phase is RaisePhase.NORMAL:
            assert seen.declared is not None
            assert seen.mode is Mode.ENFORCE
            assert not seen.holds
            assert seen.free
            assert seen.proof or spent_today(seen.record, self.now) < seen.declared.daily_budget
            assert raised_lately(seen.record, seen.step, self.now) < CEILING
        if seen.record.phase is RaisePhase.RAISED:
            unclear = seen.quiet_steps is None or seen.quiet_steps < QUIET_STEPS
            write = seen.record.write
            assert write is not None
            declared = seen.declared is not None and seen.declared.raised == write.desired.value
            within = not is_too_long(seen.record, seen.step, self.now)
            wanted = declared and seen.mode is Mode.ENFORCE and seen.held == write.desired.value and unclear and within
            if wanted and spent_today(seen.record, self.now) < DECLARED.daily_budget:
                assert decided.record == seen.record, "evidence that is not weak, or cannot be read, gives nothing back"
            if seen.holds and declared:
                assert decided.record == seen.record, "paused, nothing changes"
            elif not within:
                assert decided.record.phase is not RaisePhase.RAISED, "nothing is raised for ever, whatever for"
        if seen.mode is Mode.OBSERVE or seen.declared is None or seen.holds:
            assert decided.record.phase is not RaisePhase.INTENDED, "what was intended before is taken back"
        self.s = replace(self.s, record=decided.record)

    @precondition(lambda self: is_raised(self.s.record))
    @rule(killed=st.booleans())
    def writes(self, killed: bool) -> None:
        seen = self._seen()
        decided = decide_sampling(seen, self.now)
        if decided.record != seen.record or not decided.writes:
            return
        write = seen.record.write
        assert write is not None
        up = seen.record.phase is RaisePhase.INTENDED
        if up:
            assert seen.mode is Mode.ENFORCE
            assert seen.declared is not None
            assert seen.declared.raised == write.desired.value
        if seen.holds:
            assert not up, "paused, nothing is raised"
            shown = [value_of(v, ()) for v in ours(write)]
            assert seen.declared is None or seen.declared.raised not in shown, "nor given back while it is declared"
        before = spent_today(self.s.record, self.now)
        result = self._write()
        if not killed:
            self.s = replace(self.s, record=after_write(self.s.record, result, self.now))
            assert spent_today(self.s.record, self.now) >= before, "what was spent today stays spent"
            if not up and isinstance(result, Refused):
                assert self.s.record.phase is RaisePhase.GIVING_BACK, "what was refused is not finished"

    # --- what must be so

    @invariant()
    def what_was_raised_is_known(self) -> None:
        if self.ours:
            assert is_raised(self.s.record)
            assert self.s.record.write is not None

    def teardown(self) -> None:
        """Declared no more, everything comes back, in a few turns, and nothing is raised on the way."""
        self.refuses = False
        self.s = replace(self.s, declared=None)
        for _ in range(6):
            decided = decide_sampling(self._seen(), self.now)
            if decided.record != self.s.record:
                self.s = replace(self.s, record=decided.record)
            elif decided.writes:
                assert self.s.record.phase is RaisePhase.GIVING_BACK
                self.s = replace(self.s, record=after_write(self.s.record, self._write(), self.now))
        assert self.s.record.phase is RaisePhase.NORMAL
        assert not self.ours

    # --- the world

    def _seen(self) -> Sampling:
        return replace(self.s, held=Missing() if self.place is None else self.place)

    def _write(self) -> WriteResult:
        """As adapters/kube/cluster.py does it."""
        write = self.s.record.write
        assert write is not None
        desired = value_of(write.desired, ())
        if self.place is None:
            return Missing()
        if self.place == desired:
            return Landed(generation=1, changed=False)
        if self.place not in [value_of(v, ()) for v in ours(write)]:
            return Changed(actual=self.place)
        if self.refuses:
            return Refused(code=403, message="no")
        assert isinstance(desired, str | Absent)
        self.place, self.ours = desired, self.s.record.phase is RaisePhase.INTENDED
        return Landed(generation=1, changed=True)


TestSampled = Sampled.TestCase
IS_THOROUGH = settings.get_current_profile_name() == "thorough"
TestSampled.settings = settings(max_examples=3000 if IS_THOROUGH else 150, stateful_step_count=30, deadline=None)
