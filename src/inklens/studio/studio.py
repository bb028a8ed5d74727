"""The studio itself, without HTTP: what it keeps, the processes that work for it, and what it asks them."""

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from inklens import __version__
from inklens.errors import InklensError
from inklens.studio import box, limits
from inklens.studio.box import Box
from inklens.studio.guard import Quota, busy
from inklens.studio.jobs import Job, Jobs
from inklens.studio.line import quick_worker
from inklens.studio.messages import Message
from inklens.studio.problems import Problem, not_found
from inklens.studio.processes import Worker, ask_boxed
from inklens.studio.static import BUNDLES, JAVASCRIPT, Asset, fingerprint, plain_assets
from inklens.studio.store import ID, Store, check_name, identifier, now, read_plain

LOG = logging.getLogger("inklens.studio")
SHIPPED, SHIPPED_NAME = "reader.inklens", "The reader that ships"
STARTER_NAME = "Pixels"
STARTER = {"kind": "fit", "data": "embedded", "C": 0.3, "l1_ratio": 1.0}  # near the most right answers on held-out rows
NAMED_DATA = ("embedded", "mnist", "fashion-mnist", "kuzushiji-mnist", "emnist")
GIVEN = "given"  # what the data of the command line are called
WEB = f".{__version__}.web"  # bytes for browsers that another version made are made anew
DIGIT_BYTES = 28 * 28

Json = dict[str, object]


@dataclass(frozen=True)
class Settings:
    """How a studio is started.

    Parameters
    ----------
    folder : Path
        Where it keeps what it keeps.
    port : int
        Where it listens, on this computer only.
    model : Path, optional
        A model file to begin with.
    data : str, optional
        A data spec to offer besides the named ones.
    unboxed : bool
        Read pictures even where the system cannot box the process that does.
    starter : bool
        Make a first model on pixels in the background.
    """

    folder: Path
    port: int
    model: Path | None = None
    data: str | None = None
    unboxed: bool = False
    starter: bool = True


class Studio:
    """What the routes ask."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.store, self.jobs = settings, Store(settings.folder), Jobs()
        self.reader, self.analyst = quick_worker("inklens-reader"), Worker("inklens-analyst")
        self.photos, self._decoders = Quota(limits.MAX_PHOTOS), asyncio.Semaphore(limits.PHOTOS_AT_ONCE)
        self.streams = Quota(limits.MAX_STREAMS)
        self.closing, self.start_model = asyncio.Event(), asyncio.Event()
        self.start: str | None = None
        self._assets: dict[str, Asset] = {}
        self._joining = asyncio.Lock()
        self._packing: dict[str, asyncio.Lock] = {}
        self._background: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ its own life

    async def open(self) -> None:
        """Make the folders; what takes longer goes on in the background."""
        await asyncio.to_thread(self.store.prepare)
        self._background = asyncio.create_task(self._prepare())

    async def _prepare(self) -> None:
        try:
            given = self.settings.model
            shipped = await self._own(files("inklens").joinpath(SHIPPED).read_bytes(), SHIPPED_NAME, "shipped")
            starter = self._starter()
            self.start = shipped if starter is None else str(starter["id"])  # on pixels all can be shown and proven
            if given is not None:
                self.start = await self._own(await asyncio.to_thread(given.read_bytes), given.stem, "given")
            self.start_model.set()
            await asyncio.gather(self.reader.start(), asyncio.to_thread(self.analyst.start))
            await self.web(self.start)
            if self.settings.starter:
                await self._make_starter()
        except (Problem, OSError, InklensError) as error:
            LOG.warning("%s", error)
        finally:
            self.start_model.set()

    async def _own(self, content: bytes, name: str, origin: str) -> str:
        """Keep a model unless it is kept already."""
        there = identifier(content)
        try:
            return str(self.store.models.entry(there)["id"])
        except Problem:
            return str((await self.add_model(content, name, origin))["id"])

    def _starter(self) -> Json | None:
        return next((known for known in self.models() if known["origin"] == "starter"), None)

    async def _make_starter(self) -> None:
        """Make the first model on pixels, and then its path, as far as an earlier start did not."""
        starter = self._starter()
        if starter is None:
            job = self.jobs.submit(self.fit_job(STARTER, name=STARTER_NAME, origin="starter"))
            await job.over()
            if job.state != "done" or job.model is None:
                return
            starter = self.model(job.model)
            if self.settings.model is None:
                self.start = job.model
        if not starter["has_path"] and not self.closing.is_set():
            self.jobs.submit(self.path_job({"kind": "path", "model": starter["id"]}))

    def begin_to_close(self) -> None:
        """End streams of events, and start no process any more."""
        self.closing.set()
        self.reader.retire()
        self.analyst.retire()

    async def close(self) -> None:
        """End all that runs for it."""
        self.begin_to_close()
        if self._background is not None:
            self._background.cancel()
        await self.jobs.close()
        await asyncio.gather(self.reader.close(), asyncio.to_thread(self.analyst.close))

    # ------------------------------------------------------------------ models

    def models(self) -> list[Json]:
        """Return what is known of each model."""
        return [self._shown(known) for known in self.store.models.entries()]

    def model(self, model: str) -> Json:
        """Return what is known of one."""
        return self._shown(self.store.models.entry(model))

    def _shown(self, known: Mapping[str, object]) -> Json:
        return {**known, "has_path": known.get("has_path") == __version__}

    async def add_model(
        self, content: bytes, name: str, origin: str, known: Mapping[str, object] | None = None
    ) -> Json:
        """Keep a model file; what is no model is refused."""
        if known is None:
            known = (await self.ask(Message({"do": "describe"}, (content,)))).data
        return await asyncio.to_thread(self._keep_model, content, name, origin, known)

    def _keep_model(self, content: bytes, name: str, origin: str, known: Mapping[str, object]) -> Json:
        return self._shown(self.store.add_model(content, {**known, "name": self._free_name(name), "origin": origin}))

    def _free_name(self, name: str) -> str:
        """Return a name that no other model has, upper and lower case being one."""
        plain, taken = check_name(name), {str(known["name"]).casefold() for known in self.store.models.entries()}
        tries = [plain, *(f"{plain[:70]} {number}" for number in range(2, len(taken) + 3))]
        return next(each for each in tries if each.casefold() not in taken)

    def drop_model(self, model: str) -> None:
        """Remove a model."""
        self.store.drop(self.store.models, model)

    def located(self, model: str) -> dict[str, str]:
        """Return what a child process needs to load a model."""
        self.store.models.entry(model)
        return {"id": model, "path": str(self.store.models.path(model, ".inklens"))}

    def model_file(self, model: str) -> bytes:
        """Return a model's file."""
        content = self.store.models.read(model, ".inklens")
        if content is None:
            raise not_found("model")
        return content

    async def chosen(self, model: str | None) -> str:
        """Return the model that was asked for, there or not, or the one to begin with."""
        if model is None:
            await self.start_model.wait()
            model = self.start
        if model is None:
            raise Problem(503, "no-model", "there is no model yet; upload one, or fit one")
        return model

    async def web(self, model: str) -> bytes:
        """Return a model as bytes for a browser, made once."""
        self.store.models.entry(model)
        async with self._packing.setdefault(model, asyncio.Lock()):
            found = await asyncio.to_thread(self.store.models.read, model, WEB)
            if found is None:
                answer = await self.ask(Message({"do": "pack", "model": self.located(model)}))
                found = answer.blobs[0]
                await asyncio.to_thread(self._keep_web, model, found, has_path=False)
            return found

    def _keep_web(self, model: str, web: bytes, *, has_path: bool) -> None:
        known = self.store.models.entry(model)
        with self.store.locked():
            self.store.models.put(model, {**known, "has_path": __version__ if has_path else None}, {WEB: web})

    # ------------------------------------------------------------------ the page

    async def asset(self, path: str) -> Asset:
        """Return one of the browser's files; modules are joined once, and kept in the folder until they change."""
        if not self._assets:
            self._assets = await asyncio.to_thread(plain_assets)
        if path in BUNDLES:
            async with self._joining:
                if path not in self._assets:
                    self._assets |= await self._bundles()
        return self._assets[path]

    async def _bundles(self) -> dict[str, Asset]:
        made_of = await asyncio.to_thread(fingerprint)
        paths = [self.store.pages / f"{made_of}{name.replace('/', '-')}" for name in BUNDLES]
        found = [content for path in paths if (content := await asyncio.to_thread(read_plain, path)) is not None]
        if len(found) < len(paths):
            found = list((await self.ask(Message({"do": "bundles"}))).blobs)
            await asyncio.to_thread(self.store.keep_pages, dict(zip(paths, found, strict=True)))
        return {name: Asset(content, JAVASCRIPT) for name, content in zip(BUNDLES, found, strict=True)}

    # ------------------------------------------------------------------ questions

    async def ask(self, question: Message, *, quickly: bool = False) -> Message:
        """Ask a child process: the one for quick answers, or the one for those that take a moment."""
        if quickly:
            return await self.reader.ask(question, seconds=limits.ANSWER_SECONDS)
        return await asyncio.to_thread(partial(self.analyst.ask, question, seconds=limits.ANSWER_SECONDS))

    async def about_model(self, do: str, model: str, **more: object) -> Json:
        """Ask about a model; the answer names it."""
        answer = await self.ask(Message({"do": do, "model": self.located(model), **more}))
        return {**answer.data, "model": model}

    async def ask_page(self, model: str, language: str) -> bytes:
        """Return a model as a page."""
        answer = await self.ask(Message({"do": "page", "model": self.located(model), "language": language}))
        return answer.blobs[0]

    async def compare(self, a: str, b: str) -> Json:
        """Compare two models."""
        answer = await self.ask(Message({"do": "compare", "a": self.located(a), "b": self.located(b)}))
        return {"a": a, "b": b, "comparison": answer.data}

    async def read_drawing(self, ink: bytes, rows: int, cols: int, model: str | None) -> bytes:
        """Read a drawing; the answer is JSON as the child wrote it."""
        located = self.located(await self.chosen(model))
        question = Message({"do": "drawing", "model": located, "rows": rows, "cols": cols}, (ink,))
        return (await self.ask(question, quickly=True)).blobs[0]

    async def read_photo(self, photo: bytes, model: str | None, settings: Json, many: bool | None) -> Json:
        """Read a photo in a box."""
        chosen = await self.chosen(model)
        question = Message({"do": "photo", "settings": settings, "many": many}, (photo, self.model_file(chosen)))
        return {**(await self._boxed(question, box.PHOTO, "picture")).data, "model": chosen}

    async def _boxed(self, question: Message, inside: Box, what: str) -> Message:
        """Ask a child in a box of its own, a few at a time; many may wait."""
        if not self.photos.take(1):
            raise busy()
        inside = Box(inside.seconds, inside.cpu_seconds, inside.n_bytes, inside.opens, not self.settings.unboxed)
        try:
            async with self._decoders:
                return await asyncio.to_thread(partial(ask_boxed, question, box=inside, what=what))
        finally:
            self.photos.give(1)

    # ------------------------------------------------------------------ digits

    def add_digit(self, pixels: bytes, label: str, read_as: str | None, model: str | None) -> Json:
        """Keep a digit of one's own."""
        if len(pixels) != DIGIT_BYTES:
            raise Problem(422, "fields", f"pixels has to be {DIGIT_BYTES} bytes in base64, got {len(pixels)}")
        known = {"label": check_name(label), "read_as": read_as, "model": model}
        return self._digit(self.store.add_digit(pixels, known))

    def digits(self) -> list[Json]:
        """Return all that were kept."""
        return [self._digit(known) for known in self.store.digits.entries()]

    def _digit(self, known: Mapping[str, object]) -> Json:
        pixels = self.store.digits.read(str(known["id"]), ".ink") or bytes(DIGIT_BYTES)
        return {**known, "pixels": base64.b64encode(pixels).decode()}

    # ------------------------------------------------------------------ data

    async def datasets(self) -> list[Json]:
        """Return the named data sets, the one of the command line, and uploads."""
        named = (await self.ask(Message({"do": "datasets"}))).data["datasets"]
        assert isinstance(named, list)
        given = [] if self.settings.data is None else [_given(self.settings.data)]
        return [*named, *given, *self.store.datasets.entries()]

    async def add_dataset(self, parts: AsyncIterator[bytes], name: str, kind: str) -> Json:
        """Keep an upload, as an archive of arrays; what cannot be read is refused, and nothing is left of it."""
        name = check_name(name)
        entry, path = await self.store.receive(parts, suffix=f".{kind}")
        try:
            return await self._take_dataset(entry, path, name, kind)
        except BaseException:
            for left in (path, self.store.datasets.path(entry, ".npz")):
                left.unlink(missing_ok=True)
            raise

    async def _take_dataset(self, entry: str, path: Path, name: str, kind: str) -> Json:
        notes: list[object] = []
        if kind == "zip":
            answer = await self._boxed(Message({"do": "archive", "path": str(path)}), box.ARCHIVE, "archive")
            self.store.check_room(len(answer.blobs[0]))
            files = {".npz": answer.blobs[0]}
            found = answer.data["notes"]
            notes = found if isinstance(found, list) else []
            await asyncio.to_thread(path.unlink)
            path = await asyncio.to_thread(self.store.write_file, entry, files)
        summary = (await self._boxed(Message({"do": "npz", "path": str(path)}), box.ARRAYS, "archive")).data
        known = {
            "created": now(),
            "spec": entry,
            "name": name,
            "origin": "upload",
            "ready": True,
            **summary,
            "notes": [*notes, *_list(summary["notes"])],
        }
        with self.store.locked():
            return self.store.datasets.put(entry, known, {})

    def spec_of(self, data: str) -> str:
        """Return the data spec of what a request calls data: a name, an upload, or what the command line gave."""
        if data == GIVEN and self.settings.data is not None:
            return self.settings.data
        if ID.fullmatch(data):
            self.store.datasets.entry(data)
            return f"npz:{self.store.datasets.path(data, '.npz')}"
        if data in NAMED_DATA or data.startswith("openml:"):
            return data
        raise Problem(422, "data", f"expected one of {', '.join(NAMED_DATA)}, openml:NAME@VERSION, or an upload's id")

    # ------------------------------------------------------------------ jobs

    def submit(self, asked: Json) -> Job:
        """Put a job in line."""
        makers = {"fit": self.fit_job, "path": self.path_job, "tolerance": self.path_job, "labels": self.labels_job}
        return self.jobs.submit(makers[str(asked["kind"])](asked))

    def fit_job(self, asked: Json, *, name: str | None = None, origin: str = "fit") -> Job:
        """Return the job that fits a model and keeps it."""
        shown = name or asked.get("name") or _fit_name(asked)
        question: Json = {**asked, "do": "fit", "data": self.spec_of(str(asked["data"]))}
        if asked.get("start") is not None:
            question["start"] = self.located(str(asked["start"]))
        if asked.get("add_digits"):
            question |= {"digits": self._own_digits(), "added": str(self.store.folder / "added")}

        def keep(answer: Message) -> tuple[str | None, Json]:
            result = dict(answer.data)
            known = result.pop("known")
            assert isinstance(known, dict)
            if origin == "starter" and result["interrupted"]:
                return None, result  # the next start makes it whole
            kept = self._keep_model(answer.blobs[0], check_name(str(shown)), origin, known)
            return str(kept["id"]), {**result, "model": kept["id"]}

        check_name(str(shown))
        return Job("fit", asked, Message(question), keep)

    def _own_digits(self) -> list[Json]:
        digits = [{"label": digit["label"], "pixels": digit["pixels"]} for digit in self.digits()]
        if not digits:
            raise Problem(422, "no-digits", "there are no digits of your own yet; keep some first")
        return digits

    def path_job(self, asked: Json) -> Job:
        """Return the job that makes a model's bytes for browsers anew, with a path or early stops."""
        model, kind = str(asked["model"]), str(asked["kind"])

        def keep(answer: Message) -> tuple[str | None, Json]:
            self._keep_web(model, answer.blobs[0], has_path=True)
            return model, dict(answer.data)

        question = Message({**asked, "do": kind, "model": self.located(model)})
        return Job(kind, asked, question, keep, model)

    def labels_job(self, asked: Json) -> Job:
        """Return the job that finds doubtful labels."""
        model = str(asked["model"])
        question = Message({**asked, "do": "labels", "model": self.located(model)})
        return Job("labels", asked, question, lambda answer: (model, dict(answer.data)), model)

    def fetch(self, name: str) -> Job:
        """Put the job in line that brings a data set of OpenML."""
        spec = name if name in NAMED_DATA else f"openml:{name.removeprefix('openml:')}"
        question = Message({"do": "fetch", "data": spec})
        return self.jobs.submit(Job("fetch", {"name": name}, question, lambda answer: (None, dict(answer.data))))


def _given(spec: str) -> Json:
    name = spec.rpartition("/")[2] or spec
    return {
        "spec": GIVEN,
        "id": None,
        "name": name,
        "origin": GIVEN,
        "n_samples": None,
        "classes": None,
        "image_shape": None,
        "ready": True,
    }


def _fit_name(asked: Mapping[str, object]) -> str:
    """Return what to call a model that got no name.

    >>> _fit_name({"C": 0.1, "l1_ratio": 1.0, "features": "pixels"})
    'pixels, C = 0.1, L1'
    """
    ratio = asked.get("l1_ratio") or 0.0
    penalty = {0.0: "L2", 1.0: "L1"}.get(float(str(ratio)), f"L1 share {ratio}")
    shown = f"C = {float(str(asked.get('C', 1.0))):g}, {penalty}" if asked.get("penalised", True) else "no penalty"
    return f"{asked.get('features', 'pixels')}, {shown}"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def decoded(text: str) -> bytes:
    """Return the bytes of base64, or refuse it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, "fields", "expected bytes in base64") from error
