import GraphIR

/// Every operation there is, in alphabetical order of mnemonics; a new one adds its line here.
public enum OperationRegistry {
  public static let all: [any TensorOperation.Type] = [
    Abs.self,
    Add.self,
    AllReduce.self,
    BatchNormGrad.self,
    BatchNormInference.self,
    BatchNormTraining.self,
    BroadcastInDim.self,
    Compare.self,
    Concatenate.self,
    Constant.self,
    Convert.self,
    Convolution.self,
    ConvolutionKernelGradient.self,
    Divide.self,
    FFT.self,
    FourierMatrix.self,
    Fused.self,
    Maximum.self,
    Multiply.self,
    Negate.self,
    Pad.self,
    ParameterOperation.self,
    Reduce.self,
    ReduceWindow.self,
    ReLU.self,
    Reshape.self,
    Reverse.self,
    Rsqrt.self,
    Select.self,
    SelectAndScatter.self,
    Sign.self,
    Slice.self,
    Sqrt.self,
    StopGradient.self,
    Subtract.self,
    Transpose.self,
    UpsampleNearest.self,
  ]

  public static let table = OperationTable(all)
}
