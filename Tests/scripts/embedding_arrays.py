"""What the embedding scripts need of numpy: `embedding_arrays.py COMMAND ARGUMENTS`.

  input BATCH CHANNELS HEIGHT WIDTH X      writes X.npy and X.f32: cine images, or made ones
  raw A.npy A.f32                          the numbers of A.npy without its header
  perturb W.safetensors SEED               biases and statistics that are not trivial, in place
  flip FILE OFFSET                         inverts one bit of a byte
  error A.npy REFERENCE.npy LIMIT          fails past LIMIT x 2^-23 of the reference's largest value
"""

import sys

import numpy


def main(command, *arguments):
    # PyTorch takes longer to start than all the rest, so only what needs it does.
    if command == "input":
        import pytorch_networks

        batch, channels, height, width = map(int, arguments[:4])
        if pytorch_networks.cine(1) is None:
            print("no real images (REPHASE_SHARED_DATA is not set): made ones in their place")
        x = pytorch_networks.inputs(batch, channels, height, width)
        numpy.save(arguments[4] + ".npy", x)
        x.tofile(arguments[4] + ".f32")
    elif command == "raw":
        numpy.load(arguments[0]).tofile(arguments[1])
    elif command == "perturb":
        import pytorch_networks
        from safetensors.numpy import load_file, save_file

        weights = pytorch_networks.perturbed(load_file(arguments[0]), int(arguments[1]))
        save_file(weights, arguments[0])
    elif command == "flip":
        with open(arguments[0], "r+b") as file:
            file.seek(int(arguments[1]))
            byte = file.read(1)[0]
            file.seek(int(arguments[1]))
            file.write(bytes([byte ^ 1]))
    elif command == "error":
        a, b = (numpy.load(path).astype(numpy.float64) for path in arguments[:2])
        if a.shape != b.shape:
            sys.exit(f"error: shapes {a.shape} and {b.shape}")
        error = abs(a - b).max() / abs(b).max() * 2**23
        print(f"{error:.2f} x 2^-23")
        if not error <= float(arguments[2]):
            sys.exit(f"error: more than {arguments[2]} x 2^-23")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
