"""What the train page looks at: a run that is followed, or a trainer that was started and is not in the log yet."""

from __future__ import annotations

from dataclasses import replace

from textual.widgets import ContentSwitcher

from rrr_local.actions import Place
from rrr_local.engine.detached import Launch
from rrr_local.engine.plan import Plan
from rrr_local.store import queries
from rrr_local.store.records import RunStatus
from tui.following import Following
from tui.guard import Guard
from tui.place import PlaceScreen
from tui.widgets.before import Before
from tui.widgets.run_view import RunView

TICK_S = 0.25
CHANGING = ("start", "pause", "stop", "try", "fix", "new")
"""Actions whose keys come and go with a run's state."""


class TrainBase(PlaceScreen):
    """Follows one run, or shows the page before a run."""

    PLACE = Place.TRAIN

    def __init__(self) -> None:
        super().__init__()
        self.followed: Following | None = None
        self.launch: Launch | None = None
        """A trainer that was started and is not in the log yet."""
        self.trying: str | None = None
        """The run that was paused to try its checkpoint; it goes on when the person comes back."""
        self._guard = Guard(self.rrr)
        self._possible: list[bool | None] = []

    @property
    def before(self) -> Before:
        return self.query_one(Before)

    @property
    def view(self) -> RunView:
        return self.query_one(RunView)

    def show_run(self, name: str) -> None:
        """Watch a run. Raises `NotFoundError`."""
        self.followed = Following(self.services.store, self.services.trainers, name)
        self.query_one(ContentSwitcher).current = "run"
        self.draw()

    def show_before(self) -> None:
        """Leave the run that is shown."""
        self.followed = None
        self.query_one(ContentSwitcher).current = "before"
        self.draw()

    def start(self, plan: Plan) -> None:
        """Start a trainer on a plan. Raises `UsageError`, `ResourceError`."""
        trainers = self.services.trainers
        self.launch = trainers.start(plan if plan.resume else replace(plan, name=plan.name or trainers.next_name()))
        self.workers.cancel_group(self, "checks")
        self.before.launching(self.launch.name)
        self.show_before()

    def tick(self) -> None:
        """Look whether anything happened; 4 times a second, and when the app says so."""
        if self.rrr.current_mode == self.PLACE:
            with self._guard():
                self._look()

    def _look(self) -> None:
        if self.launch is not None:
            self._look_at_launch(self.launch)
        elif self.followed is None and self.rrr.training is not None and not self.before.is_busy:
            self.show_run(self.rrr.training.name)
        elif self.followed is not None and self.followed.look():
            self.draw()

    def _look_at_launch(self, launch: Launch) -> None:
        trainers = self.services.trainers
        if trainers.has_begun(launch):
            self.launch = None
            self.show_run(launch.name)
        elif (error := trainers.failure(launch)) is not None:
            self.launch = None
            self.before.failed(error)
            self.draw()

    def follow_newest(self) -> None:
        """Whatever is at work, or waits to go on."""
        newest = next(iter(queries.runs(self.services.store.reader(), 1)), None)
        if newest is None:
            return
        followed = Following(self.services.store, self.services.trainers, newest.name)
        if followed.is_live or followed.status in (RunStatus.PAUSED, RunStatus.LOST):
            self.show_run(newest.name)

    def draw(self) -> None:
        """Show everything as it is now."""
        if self.followed is not None:
            self.view.show(self.followed, self.rrr.symbols)
        possible = [self.can(name) for name in CHANGING]
        if possible != self._possible:  # not at every step: it makes the key bar anew
            self._possible = possible
            self.refresh_bindings()
