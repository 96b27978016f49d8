"""The engine of many machines: Procrastinate on the PostgreSQL that holds the rows.

A tick of the clock, or a hint, becomes one row of its table, whoever says it and how often
(``queueing_lock``), and one process at a time runs it (``lock``); NOTIFY wakes the others. So two
schedulers work as one, and either is enough. Procrastinate does not see to the job of a process
that was killed, stopped or cut off: every ten seconds whoever is alive drops such a job, which
frees its lock, and gives the hint anew. The process that wakes up later finds its job gone; what
the job wrote meanwhile was decided by the rows, as always.

A process that cannot say that a job ended, because the database went away in that moment, begins
again for the same reason: it is alive, and nobody else would ever free the lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector, exceptions, jobs
from procrastinate.connector import BaseConnector
from procrastinate.manager import JobManager
from procrastinate.periodic import PeriodicDeferrer, PeriodicRegistry, PeriodicTask

from digest.jobs.engine import Job

log = structlog.get_logger(__name__)

QUEUE = "digest"
BEAT = 5.0  # seconds between two signs of life of a process
DEAD_AFTER = 20.0  # seconds without one
_RESCUE = "rescue"
_RESCUE_CRON = "* * * * * */10"
_AT_ONCE = 16  # jobs of one process: more than there are names
_LOOK = 1.0  # seconds between two looks at the table, where a NOTIFY was lost
_GRACE = 2.0  # seconds for jobs that run when it stops
_PATIENCE = 5.0  # seconds to wait for a connection
_AGAIN = 2.0  # seconds after which it begins again, when the database was away
_MINUTE, _HOUR = 60, 3600


class ProcrastinateEngine:
    """One process's part in the engine that all processes of a database share."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._jobs: dict[str, Job] = {}
        self._crons: dict[str, str] = {}
        self._tasks: dict[str, Any] = {}
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        self._hints: set[asyncio.Task[None]] = set()
        self._early: set[str] = set()  # hints that came while it was not connected

    def register(self, name: str, job: Job) -> None:
        """Give a job its name. Before ``start``."""
        self._jobs[name] = job

    def every(self, seconds: float, name: str) -> None:
        """Wake a registered job at this interval of the wall clock, the first time at once."""
        self._crons[name] = cron_of(seconds)
        self._early.add(name)

    def wake(self, name: str) -> None:
        """Run a job soon, in one of the processes; called while it runs, it runs once more."""
        if name not in self._tasks:
            self._early.add(name)
            return
        hint = asyncio.create_task(self._hint(name))
        self._hints.add(hint)
        hint.add_done_callback(self._hints.discard)

    async def _hint(self, name: str) -> None:
        try:
            await self._tasks[name].defer_async()
        except exceptions.AlreadyEnqueued:
            pass  # somebody else has said it
        except exceptions.ProcrastinateException as error:  # the clock says it again
            log.warning("a hint was lost", job=name, error=str(error))

    async def start(self) -> None:
        """Begin to run jobs, in this event loop."""
        self._stopping = False
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; a job that runs has two seconds."""
        self._stopping = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None
        self._tasks.clear()  # whoever wakes one from now on is not heard
        for hint in self._hints:
            hint.cancel()
        await asyncio.gather(*self._hints, return_exceptions=True)

    async def _run(self) -> None:
        """Work, and begin again whenever the database was away."""
        while True:
            try:
                await self._work()
                log.warning("the engine ended, and begins again")
            except Exception as error:  # noqa: BLE001 - whatever it was: hints come again
                # A worker that is cancelled while the database is away raises what its farewell
                # met, and the cancellation is lost.
                if self._stopping:
                    return
                log.warning("the engine ended, and begins again", error=_said(error))
            self._early |= self._tasks.keys() & self._crons.keys()
            self._tasks.clear()
            await asyncio.sleep(_AGAIN)

    async def _work(self) -> None:
        app = App(
            connector=PsycopgConnector(
                conninfo=self._conninfo,
                min_size=1,
                max_size=4,
                timeout=_PATIENCE,
            )
        )
        app.job_manager = rows = _JobRows(app.connector)
        # Of our own: the app's would have its ticks made up for.
        clock = PeriodicRegistry()  # type: ignore[no-untyped-call]  # of theirs
        tasks = {name: self._task(app, clock, name) for name in self._jobs}
        rescue = _add_rescue(app, clock, tasks)
        async with app.open_async():
            with suppress(exceptions.AlreadyEnqueued):
                await rescue.defer_async(timestamp=0)
            self._tasks.update(tasks)
            early, self._early = self._early, set()
            for name in early:
                self.wake(name)
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(_LatestTicks(clock).worker()),
                    group.create_task(rows.unfinished()),
                ]
                await app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=_AT_ONCE,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    fetch_job_polling_interval=_LOOK,
                    update_heartbeat_interval=BEAT,
                    stalled_worker_timeout=DEAD_AFTER,
                    shutdown_graceful_timeout=_GRACE,
                )
                for task in beside:
                    task.cancel()

    def _task(self, app: App, clock: PeriodicRegistry, name: str) -> Any:
        job = self._jobs[name]

        @app.task(name=name, queue=QUEUE, lock=name, queueing_lock=name)
        async def task(timestamp: int = 0) -> None:  # noqa: ARG001 - the clock tells it
            try:
                await job()
            except Exception:  # the next hint tries again
                log.exception("job failed", job=name)

        if name in self._crons:
            clock.periodic_decorator(cron=self._crons[name], periodic_id="")(task)
        return task


class _JobRows(JobManager):
    """Procrastinate's way to the rows of jobs, which tells that the end of one was not written."""

    def __init__(self, connector: BaseConnector) -> None:
        super().__init__(connector)
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def unfinished(self) -> None:
        """Wait for a job whose end cannot be written, and raise what came in the way."""
        await self._failed

    async def finish_job(
        self,
        job: jobs.Job,
        status: jobs.Status,
        delete_job: bool,  # noqa: FBT001 - as Procrastinate has it
    ) -> None:
        try:
            await super().finish_job(job, status, delete_job)
        except exceptions.ConnectorException as error:
            if not self._failed.done():
                self._failed.set_exception(error)
            raise


class _LatestTicks(PeriodicDeferrer):
    """A clock that tells each job its latest tick only.

    Procrastinate's own makes up for every tick since it last looked: after a machine has slept for
    a night, or its clock was set, a row for each second of it, before it does anything else.
    """

    def get_timestamps(
        self, periodic_task: PeriodicTask[..., Any, Any], since: int | None, until: float
    ) -> Iterator[int]:
        for timestamp in super().get_timestamps(periodic_task, None, until):
            if timestamp != since:
                yield timestamp


def _add_rescue(app: App, clock: PeriodicRegistry, tasks: dict[str, Any]) -> Any:
    """The task that sees to the jobs of the dead; it has no ``lock``, which could stay taken."""

    @clock.periodic_decorator(cron=_RESCUE_CRON, periodic_id="")
    @app.task(name=_RESCUE, queue=QUEUE, queueing_lock=_RESCUE, pass_context=True)
    async def rescue(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - it is told
        manager = context.app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
            log.warning("the job of a dead process is given to another", job=job.task_name)
            with suppress(exceptions.ProcrastinateException):  # another process was quicker
                await manager.finish_job(job, jobs.Status.ABORTED, delete_job=True)
            if job.task_name in tasks:
                with suppress(exceptions.AlreadyEnqueued):
                    await tasks[job.task_name].defer_async()

    return rescue


def _said(error: BaseException) -> str:
    """What came first: a group of errors, and what Procrastinate makes of one, name no reason."""
    first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
    return str(error) if first is None else _said(first)


def cron_of(seconds: float) -> str:
    """The times of the wall clock that lie so far apart; the sixth field is the second.

    Whole seconds, minutes or hours that divide the next larger unit; less is a second.
    """
    whole = max(1, round(seconds))
    if whole < _MINUTE and _MINUTE % whole == 0:
        return f"* * * * * */{whole}"
    minutes, rest = divmod(whole, _MINUTE)
    if not rest and minutes < _MINUTE and _MINUTE % minutes == 0:
        return f"*/{minutes} * * * * 0"
    if whole == _HOUR:
        return "0 * * * * 0"
    raise ValueError(f"no clock strikes every {seconds} seconds")
