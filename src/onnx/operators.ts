// The operators that onnxruntime-node 1.30 knows, by domain and by the version they came with.
// Measured: for every name among the strings of its library and in the published operator lists, a
// model of one node was given to it at every version; what it did not call unregistered is here.

/** What onnxruntime knows of one domain. */
interface Domain {
  readonly latest: number;
  /** Operators by the version of the domain that brought them. */
  readonly since: Readonly<Record<number, string>>;
}

/** Operators of early ONNX that onnxruntime keeps up to this version. */
const EXPERIMENTAL_LATEST = 9;

const EXPERIMENTAL = new Set([
  'Affine',
  'Crop',
  'DynamicSlice',
  'GRUUnit',
  'GivenTensorFill',
  'ImageScaler',
  'ParametricSoftplus',
  'Scale',
  'ScaledTanh',
]);

const DOMAINS: Readonly<Record<string, Domain>> = {
  '': {
    latest: 26,
    since: {
      1: `
      Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat
      Constant Conv ConvTranspose DepthToSpace Div Dropout
      Elu Equal Exp Flatten Floor GRU Gather Gemm GlobalAveragePool
      GlobalLpPool GlobalMaxPool Greater HardSigmoid Hardmax Identity If
      InstanceNormalization LRN LSTM LayerNormalization LeakyRelu Less Log LogSoftmax Loop
      LpNormalization LpPool MatMul Max MaxPool MaxRoiPool Mean MeanVarianceNormalization
      Min Mul Neg Not Or PRelu Pad Pow RNN
      RandomNormal RandomNormalLike RandomUniform RandomUniformLike Reciprocal ReduceL1
      ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
      ReduceSum ReduceSumSquare Relu Reshape Selu Shape Sigmoid SimplifiedLayerNormalization
      Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh
      ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Xor`,
      7: `
      Acos Asin Atan Cos Multinomial Sin Tan`,
      8: `
      Expand Scan`,
      9: `
      Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool NonZero
      OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where`,
      10: `
      ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv
      QLinearMatMul QuantizeLinear Resize ReverseSequence RoiAlign StringNormalizer`,
      11: `
      BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND
      Range Round ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty
      SequenceErase SequenceInsert SequenceLength SplitToSequence Unique`,
      12: `
      Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss
      SoftmaxCrossEntropyLoss`,
      14: `
      HardSwish Trilu`,
      15: `
      Bernoulli CastLike Optional OptionalGetElement OptionalHasElement`,
      16: `
      GridSample`,
      17: `
      BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT SequenceMap`,
      18: `
      BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization
      Mish`,
      19: `
      DeformConv`,
      20: `
      AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit`,
      23: `
      Attention RMSNormalization RotaryEmbedding`,
      24: `
      Swish TensorScatter`,
      26: `
      BitCast CumProd`,
    },
  },
  'ai.onnx.ml': {
    latest: 5,
    since: {
      1: `
      ArrayFeatureExtractor Binarizer CastMap CategoryMapper Constant DictVectorizer
      FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
      OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsembleClassifier
      TreeEnsembleRegressor ZipMap`,
      5: `
      TreeEnsemble`,
    },
  },
  'com.microsoft': {
    latest: 1,
    since: {
      1: `
      Attention AttnLSTM BeamSearch BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu
      BifurcationDetector BitmaskBiasDropout BitmaskDropout CDist CausalConvWithState
      ComplexMul ComplexMulConj Constant ConvTransposeWithDynamicPads CropAndResize
      DecoderAttention DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention
      DequantizeBFP DequantizeLinear DequantizeWithOrder DynamicQuantizeLSTM
      DynamicQuantizeMatMul DynamicTimeWarping EPContext EmbedLayerNormalization EngramGate
      ExpandDims FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatedAdd
      GatedDeltaNet GatedRMSNorm GatedRelativePositionBias GatherBlockQuantized GatherND
      Gelu GemmFastGelu GemmFloat8 GemmaRotaryEmbedding GreedySearch GridSample GroupNorm
      GroupQueryAttention Inverse Irfft IsAllFinite LinearAttention LinearAttentionGate
      LongformerAttention MRotaryEmbedding MatMulBlockQuantizedFp4Weight
      MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4 MatMulInteger16
      MatMulIntegerToFloat MatMulNBits MatMulNBitsMlp MatMulNBitsQkv MaxpoolWithMask MoE
      MulInteger MultiHeadAttention MurmurHash3 NGramHashMapping NGramRepeatBlock NhwcConv
      NhwcFusedConv NhwcMaxPool PackedAttention PackedMultiHeadAttention Pad PagedAttention
      QAttention QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat
      QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean
      QLinearSigmoid QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedGelu
      QOrderedLayerNormalization QOrderedLongformerAttention QOrderedMatMul QuantizeBFP
      QuantizeLinear QuantizeWithOrder QuickGelu Range ReduceSumInteger RelativePositionBias
      RemovePadding RestorePadding Rfft RotaryEmbedding SampleOp Sampling SkipGroupNorm
      SkipLayerNormalization SkipSimplifiedLayerNormalization Snpe SparseAttention
      SparseToDenseMatMul Tokenizer TorchEmbedding TransposeMatMul Trilu UnfoldTensor Unique
      VarlenCausalConvWithState WhisperBeamSearch WordConvEmbedding`,
    },
  },
};

const KNOWN = new Map(
  Object.entries(DOMAINS).map(([domain, { since }]) => [
    domain,
    new Map(
      Object.entries(since).flatMap(([version, names]) =>
        names
          .trim()
          .split(/\s+/)
          .map((name) => [name, Number(version)] as const),
      ),
    ),
  ]),
);

/** The highest version of a domain that onnxruntime accepts; undefined for a domain it has not. */
export function latestVersion(domain: string): number | undefined {
  return DOMAINS[domain]?.latest;
}

/** The version of its domain that brought an operator; undefined where there is none such. */
export function operatorSince(domain: string, name: string): number | undefined {
  return KNOWN.get(domain)?.get(name) ?? (isExperimental(domain, name) ? 1 : undefined);
}

/** Whether an operator is there at this version of its domain. */
export function knowsOperator(domain: string, name: string, version: number): boolean {
  const since = operatorSince(domain, name);
  if (since === undefined || version < since) return false;
  return !isExperimental(domain, name) || version <= EXPERIMENTAL_LATEST;
}

function isExperimental(domain: string, name: string): boolean {
  return domain === '' && EXPERIMENTAL.has(name);
}
