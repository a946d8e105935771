import GraphIR

/// Every operation there is, in alphabetical order of mnemonics; a new one adds its line here.
public enum OperationRegistry {
  public static let all: [any TensorOperation.Type] = [
    Add.self,
    BatchNormInference.self,
    BroadcastInDim.self,
    Concatenate.self,
    Constant.self,
    Convert.self,
    Convolution.self,
    Divide.self,
    Fused.self,
    Maximum.self,
    Multiply.self,
    Negate.self,
    ParameterOperation.self,
    ReduceWindow.self,
    ReLU.self,
    Rsqrt.self,
    Sqrt.self,
    Subtract.self,
    UpsampleNearest.self,
  ]

  public static let table = OperationTable(all)
}
