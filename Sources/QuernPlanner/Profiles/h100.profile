# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
name = NVIDIA H100 SXM 80GB
memory.capacity = 80 GiB ; read ; aiconfigurator h100_sxm.yaml (85899345920 bytes)
memory.reserve = 2 GiB ; recalled ; driver, context and workspace of this class
memory.bandwidth = 3.35 TB/s ; read ; aiconfigurator h100_sxm.yaml
compute.bf16 = 989 TFLOPS ; read ; aiconfigurator h100_sxm.yaml
compute.int8 = 1978 TOPS ; read ; aiconfigurator h100_sxm.yaml
compute.fp8 = 1978 TFLOPS ; recalled ; as the H200
link.bandwidth = 450 GB/s ; read ; aiconfigurator h100_sxm.yaml
power = 700 W ; read ; aiconfigurator h100_sxm.yaml
chips = 8 ; recalled ; one NVSwitch machine

[engine vllm-0.12.0]
error = 16 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within
layer.overhead = 79.25 us ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.bf16.read = 3.35 TB/s ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.bf16.compute = 777.1 TFLOPS ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
attention.read.grouped = 1.703 TB/s ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
attention.compute = 989 TFLOPS ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
link.latency = 0.001 us ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
link.bandwidth = 252.4 GB/s ; derived ; fit to vllm 0.12.0 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py

[engine sglang-0.5.1.post1]
error = 16 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within
layer.overhead = 63.19 us ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.bf16.read = 3.35 TB/s ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.bf16.compute = 989 TFLOPS ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
attention.read.grouped = 3.35 TB/s ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
attention.compute = 989 TFLOPS ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
link.latency = 0.001 us ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
link.bandwidth = 450 GB/s ; derived ; fit to sglang 0.5.1.post1 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py

[engine trtllm-1.0.0rc3]
error = 16 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within
layer.overhead = 68.94 us ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.fp8.read = 3.35 TB/s ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.fp8.compute = 1038 TFLOPS ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
attention.read.grouped = 3.104 TB/s ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
attention.compute = 989 TFLOPS ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
link.latency = 0.001 us ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
link.bandwidth = 212.4 GB/s ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.bf16.read = 3.35 TB/s ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
kernel.bf16.compute = 989 TFLOPS ; derived ; fit to trtllm 1.0.0rc3 rows of Qwen3-32B (ai-dynamo/aiconfigurator@095f58a51 silicon sample), scripts/planner/fit.py
