"""The official tool: onnxruntime.quantization, job by job. Takes a JSON list of jobs as its argument
and answers each with a line of JSON. Paths are those inside the root folder it runs in."""

import json
import sys
import time

# Before onnxruntime: Debian's build of it puts its own operators among ONNX's, and this reads them all.
import onnx.reference
import numpy
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.matmul_4bits_quantizer import MatMul4BitsQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process


class Samples(CalibrationDataReader):
    """The recorded or made inputs, one after the other."""

    def __init__(self, samples):
        self.samples = iter([
            {
                one["name"]: numpy.fromfile(one["file"], one["type"]).reshape(one["shape"])
                for one in sample
            }
            for sample in samples
        ])

    def get_next(self):
        return next(self.samples, None)


def dynamic(job):
    kind = QuantType.QInt8 if job.get("signed", True) else QuantType.QUInt8
    settings = {"per_channel": job.get("perChannel", False), "weight_type": kind}
    quantize_dynamic(job["from"], job["to"], **settings)


def blocks(job):
    model = onnx.load(job["from"])
    settings = {"block_size": job["block"], "is_symmetric": job["symmetric"], "accuracy_level": 4}
    quantizer = MatMul4BitsQuantizer(model, **settings)
    quantizer.process()
    quantizer.model.save_model_to_file(job["to"], False)


def static(job):
    ready = job["to"] + ".ready"
    quant_pre_process(job["from"], ready)
    methods = {
        "min-max": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    quantize_static(
        ready,
        job["to"],
        Samples(job["samples"]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=methods[job["method"]],
    )


KINDS = {"dynamic": dynamic, "blocks": blocks, "static": static}

print(json.dumps({"version": onnxruntime.__version__}), flush=True)
for job in json.loads(sys.argv[1]):
    started = time.time()
    try:
        KINDS[job["kind"]](job)
        answer = {"to": job["to"], "seconds": time.time() - started}
    except Exception as error:
        answer = {"to": job["to"], "error": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(answer), flush=True)
