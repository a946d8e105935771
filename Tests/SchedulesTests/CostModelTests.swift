import CodeGen
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Register tiles: they fit into the registers, and they are the ones that keep the multipliers busy.
@Suite struct CostModelTests {
  @Test(arguments: targetNames)
  func tilesFit(target: String) throws {
    let cost = CostModel(target: try Targets.resolve(target))
    for columns in [1, 2, 3, 5, 6, 7, 12, 13, 31, 64, 127, 128, 320] {
      for channels in 1...70 {
        for element in [ElementType.f32, .f64] {
          let tile = cost.bestTile(columns: columns, channels: channels, element: element)
          #expect(cost.fits(tile))
          #expect(tile.columns >= 1 && tile.columns <= columns)
          #expect(tile.vectors >= 1)
          #expect(tile.vectors <= max(1, channels / cost.lanes(element)))
        }
      }
    }
  }

  @Test func theLayerOfTheZooFillsTheMultipliers() throws {
    for name in ["x86-64-v3", "x86-64-v4"] {
      let cost = CostModel(target: try Targets.resolve(name))
      let tile = cost.bestTile(columns: 128, channels: 32, element: .f32)
      let fmas = Double(tile.columns * tile.vectors)
      #expect(cost.cyclesPerTap(tile) == fmas / Double(cost.target.fmaPerCycle), "\(name)")
    }
  }

  @Test func lanesAreThoseOfOneRegister() throws {
    let expected = ["x86-64-v2": (4, 2), "x86-64-v3": (8, 4), "x86-64-v4": (16, 8)]
    for name in targetNames {
      let cost = CostModel(target: try Targets.resolve(name))
      #expect(cost.lanes(.f32) == expected[name]?.0)
      #expect(cost.lanes(.f64) == expected[name]?.1)
    }
  }

  @Test(arguments: KernelCase.convolutions, targetNames)
  func accumulatorsOfScheduledKernelsFit(_ item: KernelCase, target: String) throws {
    let description = try Targets.resolve(target)
    let module = Scheduler.schedule(try item.plain(), for: description, precision: .strict)
    for kernel in module.kernels {
      kernel.body.forEachStatement { statement in
        guard case .allocate(let buffer) = statement, buffer.extents.count >= 2 else { return }
        let vectors = (buffer.byteCount + description.vectorBytes - 1) / description.vectorBytes
        let scalars = buffer.extents.reduce(1, *)
        // A narrow rest of the channels takes one register for each column.
        #expect(min(vectors, scalars) <= description.vectorRegisters, "\(kernel.name)")
      }
    }
  }

  @Test func lanesOfSharedSumsDivideTheReduction() {
    for extent in 1...70 {
      for limit in [4, 8, 16] {
        let lanes = LaneSumTile.lanes(for: extent, atMost: limit)
        #expect(lanes >= 1 && lanes <= limit && extent % lanes == 0)
        #expect(lanes & (lanes - 1) == 0, "a power of two")
        #expect(lanes * 2 > limit || extent % (lanes * 2) != 0, "the largest")
      }
    }
  }
}
