"""Checks and times the packed libraries of one network and batch beside their peers, for gpu-check.

What breaks the driver's context breaks all that comes after it, so this is the work of a process of its own
(gpu_flow)."""

import functools
import json
import pathlib
import statistics
import sys

import gpu_driver
import gpu_peers
import numpy

# What the calls between two events take together at least, and how many there may be.
MEASURED_SECONDS = 2e-3
MOST_CALLS = 200
WARM_UPS = 5


class Contestant:
    """Something that is timed: a function that puts a run into a stream."""

    def __init__(self, row, function, stream, prepare=lambda: None):
        self.row, self.function, self.stream, self.prepare = row, function, stream, prepare
        self.calls, self.times = 1, []

    def warm(self, stopwatch):
        self.prepare()
        once = min(stopwatch.seconds(self.function, 1, self.stream) for _ in range(WARM_UPS))
        self.calls = max(1, min(MOST_CALLS, round(MEASURED_SECONDS / max(once, 1e-9))))

    def measure(self, stopwatch):
        self.prepare()
        self.times.append(stopwatch.seconds(self.function, self.calls, self.stream))

    def finish(self):
        self.row.update(
            median_us=statistics.median(self.times) * 1e6, best_us=min(self.times) * 1e6, calls=self.calls)


def ulps(actual, expected):
    """Max-norm of the error over that of the reference, in units of 2^-23; of the worst image."""
    axes = (1, 2, 3)
    error = numpy.abs(actual.astype("f8") - expected).max(axes) / numpy.abs(expected.astype("f8")).max(axes)
    return float(error.max() * 2**23)


class Group:
    """All contestants of one network and batch; `begin` is told of each before it runs."""

    def __init__(self, folder, driver, entries, begin):
        self.folder, self.driver, self.entries, self.begin = folder, driver, entries, begin
        self.network, self.batch = entries[0]["network"], entries[0]["batch"]
        self.stream = driver.stream()
        self.inputs, self.outputs = (numpy.load(folder / f"{self.network}-{end}.npy") for end in "xy")
        self.x, self.expected = self.inputs[self.chosen(0)], self.outputs[self.chosen(0)]
        self.rows, self.contestants = [], []

    def chosen(self, first):
        """Numbers of images for a batch, from one on and around."""
        return numpy.arange(first, first + self.batch) % len(self.inputs)

    def worst(self, x, y, function):
        """The largest error of runs on all images."""
        errors = []
        for first in reversed(range(0, len(self.inputs), self.batch)):
            self.driver.write(x, self.inputs[self.chosen(first)], self.stream)
            function()
            output = self.driver.values(y, self.expected.shape, self.stream)
            errors.append(ulps(output, self.outputs[self.chosen(first)]))
        return max(errors, key=lambda error: (error != error, error))

    def add_libraries(self):
        for entry in self.entries:
            self.begin(entry["name"])
            try:
                library = gpu_driver.Library(self.folder / "lib" / f"lib{entry['name']}.so", entry["name"])
                self.add_library(library, entry)
            except (RuntimeError, OSError) as problem:
                self.rows.append(failed(entry, problem))
                # Ends it all where the context is broken.
                self.driver.wait(self.stream)

    def add_library(self, library, entry):
        x, y = (self.driver.array(values, self.stream) for values in (self.x, numpy.zeros(self.expected.shape, "f4")))
        function = library.runner(x, y, self.stream)
        row = dict(
            entry, what=what(entry), kind=kind_of(entry), ulps=self.worst(x, y, function),
            promise=library.manifest["promise_ulps"], selftest=library.selftest(), **library.info)
        row["ptxas"] = library.manifest["gpu_code"].get("ptxas")
        self.driver.wait(self.stream)
        self.rows.append(row)
        self.contestants.append(Contestant(row, function, self.stream))

    def add_peers(self, peers, compiled=False):
        """Those of torch.compile, which can take minutes each, or all others."""
        self.begin("torch.compile" if compiled else "peers")
        for peer in peers:
            peer.begin()
        for kind in sorted({kind_of(entry) for entry in self.entries}):
            for peer in peers:
                for name, function, output in peer.variants(
                        self.folder, self.network, self.x, kind, compiled):
                    row = dict(
                        network=self.network, batch=self.batch, what=name, kind=kind,
                        ulps=ulps(output, self.expected))
                    self.rows.append(row)
                    prepare = functools.partial(peer.use, kind)
                    self.contestants.append(Contestant(row, function, peer.handle, prepare))

    def measure(self, rounds):
        """All in turns, and each round begins with another."""
        stopwatch = gpu_driver.Stopwatch(self.driver)
        for contestant in self.contestants:
            contestant.times = []
            self.begin(contestant.row.get("name", "peers"))
            contestant.warm(stopwatch)
        self.begin("all in turns")
        for turn in range(rounds):
            shift = turn % max(1, len(self.contestants))
            for contestant in self.contestants[shift:] + self.contestants[:shift]:
                contestant.measure(stopwatch)
        for contestant in self.contestants:
            contestant.finish()


def kind_of(entry):
    return gpu_peers.CLASSES.get(entry["precision"], entry["precision"])


def what(entry):
    return "rephase " + entry["precision"] + (", tuned" if entry.get("tuned") else "")


def failed(entry, problem):
    """The row of what could not be checked or timed."""
    return dict(entry, what=what(entry), kind=kind_of(entry), problem=str(problem))


def measure(folder, job, say):
    """Says what begins, what is known of the peers, rows (first without times), and when all is done."""
    driver = gpu_driver.Driver()
    peers = []
    if job["peers"]:
        layouts = gpu_peers.LAYOUTS[dict(both=0, one=1, none=2)[job["compile"]] :]
        say(begin="peers")
        peers = [gpu_peers.Torch(compiled_layouts=layouts), gpu_peers.OnnxRuntime(driver)]
    for peer in peers:
        say(versions=peer.versions)
        if peer.none:
            print(f"{peer.none}: left out", file=sys.stderr)
    group = Group(folder, driver, job["entries"], lambda name: say(begin=name))
    group.add_libraries()
    say(rows=group.rows)
    group.add_peers(peers)
    say(rows=group.rows)
    group.measure(job["rounds"])
    say(rows=group.rows, timed=True)
    count = len(group.rows)
    group.add_peers(peers, compiled=True)
    if len(group.rows) > count:
        group.measure(job["rounds"])
    say(rows=group.rows, timed=True, done=True)


def main():
    folder, job, said = map(pathlib.Path, sys.argv[1:])
    with said.open("w") as lines:

        def say(**what):
            print(json.dumps(what), file=lines, flush=True)

        try:
            measure(folder, json.loads(job.read_text()), say)
        except RuntimeError as problem:
            say(problem=str(problem))
            sys.exit(1)


if __name__ == "__main__":
    main()
