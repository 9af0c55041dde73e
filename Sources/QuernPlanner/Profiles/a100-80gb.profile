# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
name = NVIDIA A100 SXM 80GB
memory.capacity = 80 GiB ; read ; aiconfigurator a100_sxm.yaml (85899345920 bytes)
memory.reserve = 2 GiB ; recalled ; driver, context and workspace of this class
memory.bandwidth = 2.039 TB/s ; read ; aiconfigurator a100_sxm.yaml
compute.bf16 = 312 TFLOPS ; read ; aiconfigurator a100_sxm.yaml
compute.int8 = 624 TOPS ; read ; aiconfigurator a100_sxm.yaml
link.bandwidth = 300 GB/s ; read ; aiconfigurator a100_sxm.yaml
power = 400 W ; read ; aiconfigurator a100_sxm.yaml
chips = 8 ; recalled ; one NVSwitch machine

[engine vllm-0.6.3]
error = 10 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within
layer.overhead = 113.9 us ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.bf16.read = 1.636 TB/s ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.int8.read = 1.91 TB/s ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.int4.read = 1.915 TB/s ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.int8.overhead = 33.85 us ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.int4.overhead = 33.85 us ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.bf16.compute = 312 TFLOPS ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.int8.compute = 283 TFLOPS ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
kernel.int4.compute = 283 TFLOPS ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
attention.read.grouped = 2.039 TB/s ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
attention.compute = 93.48 TFLOPS ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
link.latency = 1.829 us ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py
link.bandwidth = 31.76 GB/s ; derived ; fit to vLLM 0.6.3 rows of the speed page (QwenLM/Qwen3@f4d356c^), scripts/planner/fit.py

[engine vllm-0.4.2]
error = 10 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within
graph.limit = 8192 ; recalled ; vLLM's default for captured graphs at that version
layer.overhead = 127.6 us ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.bf16.read = 1.574 TB/s ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.int8.read = 1.737 TB/s ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.int4.read = 2.003 TB/s ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.int8.overhead = 33.57 us ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.int4.overhead = 33.57 us ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.bf16.compute = 230.2 TFLOPS ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.int8.compute = 254.4 TFLOPS ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.int4.compute = 254.4 TFLOPS ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
attention.read.grouped = 0.4441 TB/s ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
attention.compute = 231.9 TFLOPS ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
link.latency = 2.897 us ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
link.bandwidth = 28.26 GB/s ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
layer.overhead.eager = 396.3 us ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.awq.read = 0.7564 TB/s ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.awq.overhead = 33.11 us ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
kernel.awq.compute = 312 TFLOPS ; derived ; fit to vLLM 0.4.2 rows of the speed page (QwenLM/Qwen3@4da996c), scripts/planner/fit.py
