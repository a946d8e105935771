"""The networks in Halide 21: a backend of bench_networks, with a schedule of direct convolutions for CPUs.

Images are [n, y, x, c], channels innermost. A convolution sums tiles of 8 columns (10 of wide images: measured) and two
vectors of outputs in registers, over all inputs; rows are parallel. Halide splits loops: padding costs at edges only.
"""

import halide
import numpy


class Halide:
    """Builds Funcs of [c, x, y, n]; `sizes` has channels, columns and rows of each."""

    def __init__(self, weights, batch):
        self.weights, self.batch, self.sizes = weights, batch, {}
        self.at = self.c, self.x, self.y, self.n = [halide.Var(name) for name in "cxyn"]
        self.lanes = halide.get_host_target().natural_vector_size(halide.Float(32))
        self.kept = []  # Halide's buffers do not keep the arrays that they look at

    def image(self, channels, columns, rows):
        func = halide.Func()
        self.sizes[func.name()] = channels, columns, rows
        return func

    def buffer(self, array):
        self.kept.append(numpy.ascontiguousarray(array))
        return halide.Buffer(self.kept[-1])

    def rows(self, func):
        """In memory as a whole, rows of all images in parallel."""
        row = halide.Var()
        func.compute_root().fuse(self.y, self.n, row).parallel(row)
        return func

    def elementwise(self, size, expression):
        func = self.image(*size)
        func[self.at] = expression
        return self.rows(func).vectorize(self.c, min(self.lanes, size[0]))

    def source(self, parameter, channels, columns, rows):
        """Of an image in memory, [n, c, y, x]."""
        c, x, y, n = self.at
        func = self.image(channels, columns, rows)
        func[self.at] = parameter[x, y, c, n]
        return func

    def convolution(self, name, image, relu):
        c, x, y, n = self.at
        kernel, bias = self.weights[name]
        outputs, inputs, size, _ = kernel.shape
        _, columns, rows = self.sizes[image.name()]
        ranges = [(0, inputs), (0, columns), (0, rows), (0, self.batch)]
        padded = halide.BoundaryConditions.constant_exterior(image, 0.0, ranges)
        tap = halide.RDom([(0, inputs), (0, size), (0, size)])
        kernel = self.buffer(kernel.transpose(2, 3, 1, 0))
        total, func = halide.Func(), self.image(outputs, columns, rows)
        total[self.at] = self.buffer(bias)[c]
        total[self.at] += (
            kernel[c, tap.x, tap.y, tap.z]
            * padded[tap.x, x + tap.y - size // 2, y + tap.z - size // 2, n]
        )
        func[self.at] = halide.max(total[self.at], 0.0) if relu else total[self.at]
        if outputs >= self.lanes:
            self.wide(func, total, tap, 10 if columns > 64 else 8, outputs)
        else:
            self.narrow(func, total, tap, inputs)
        return func

    def wide(self, func, total, tap, columns, outputs):
        """A vector is of outputs."""
        c, x, block, lane, tile, column = self.c, self.x, *(halide.Var() for _ in range(4))
        width = self.lanes * (2 if outputs % (2 * self.lanes) == 0 else 1)
        func.split(c, block, lane, width).split(x, tile, column, columns)
        func.reorder(lane, column, tile, block, self.y, self.n)
        self.rows(func).vectorize(lane, self.lanes).unroll(lane).unroll(column)
        total.compute_at(func, tile).vectorize(c, self.lanes).unroll(c).unroll(x)
        sums = total.update().reorder(c, x, tap.x, tap.y, tap.z)
        sums.vectorize(c, self.lanes).unroll(c).unroll(x)

    def narrow(self, func, total, tap, inputs):
        """A vector is of inputs, added up at the end."""
        tile, column = halide.Var(), halide.Var()
        func.split(self.x, tile, column, self.lanes).reorder(self.c, column, tile, self.y, self.n)
        self.rows(func)
        total.compute_at(func, tile)
        sums = total.update().reorder(tap.x, self.c, self.x, tap.y, tap.z)
        sums.atomic().vectorize(tap.x, min(self.lanes, inputs)).unroll(self.x)

    def add(self, a, b):
        return self.elementwise(self.sizes[a.name()], a[self.at] + b[self.at])

    def pool(self, image):
        c, x, y, n = self.at
        channels, columns, rows = self.sizes[image.name()]
        largest = [halide.max(image[c, 2 * x, row, n], image[c, 2 * x + 1, row, n]) for row in (2 * y, 2 * y + 1)]
        return self.elementwise((channels, columns // 2, rows // 2), halide.max(*largest))

    def upsample(self, image):
        c, x, y, n = self.at
        channels, columns, rows = self.sizes[image.name()]
        func = self.image(channels, 2 * columns, 2 * rows)
        func[self.at] = image[c, x // 2, y // 2, n]
        return func

    def concatenate(self, a, b):
        c, x, y, n = self.at
        (first, columns, rows), (second, _, _) = self.sizes[a.name()], self.sizes[b.name()]
        of_a = a[halide.clamp(c, 0, first - 1), x, y, n]
        of_b = b[halide.clamp(c - first, 0, second - 1), x, y, n]
        return self.elementwise((first + second, columns, rows), halide.select(c < first, of_a, of_b))


def compiled(build, weights, shape):
    """f(x) of [n, c, y, x] to the same, compiled for this processor; `build` makes the network of a backend."""
    batch, channels, rows, columns = shape
    ops = Halide(weights, batch)
    parameter = halide.ImageParam(halide.Float(32), 4)
    y = build(ops, ops.source(parameter, channels, columns, rows))
    output = halide.Func()
    output[ops.x, ops.y, ops.c, ops.n] = y[ops.at]
    pipeline = halide.Pipeline(output)
    pipeline.compile_jit(halide.get_host_target())

    def run(x):
        parameter.set(halide.Buffer(x))
        result = numpy.empty((batch, ops.sizes[y.name()][0], rows, columns), numpy.float32)
        pipeline.realize(halide.Buffer(result))
        return result

    run.kept = ops  # whose arrays the compiled code reads
    return run
