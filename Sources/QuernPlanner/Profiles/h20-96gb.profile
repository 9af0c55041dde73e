# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
name = NVIDIA H20 96GB
memory.capacity = 96 GB ; read ; Hugging Face hardware page
memory.reserve = 2 GiB ; recalled ; driver, context and workspace of this class
memory.bandwidth = 4.0 TB/s ; read ; willitrunai; alibaba/InferSim uses 4.096
compute.bf16 = 148 TFLOPS ; read ; alibaba/RecIS, alibaba/InferSim
compute.int8 = 296 TOPS ; read ; alibaba/RecIS
compute.fp8 = 296 TFLOPS ; read ; alibaba/InferSim hardware/gpu.py
compute.f32 = unknown ; unknown ; not looked for
link.bandwidth = 450 GB/s ; derived ; 900 GB/s for both directions
power = 400 W ; read ; Hugging Face hardware page; a broadcast table says 550 W
chips = 8 ; recalled ; one NVSwitch machine

[engine sglang-0.4.6]
error = 10 % ; derived ; nine rows in ten of scripts/planner/validate.py lie within
layer.overhead = 60.5 us ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.bf16.read = 1.449 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.fp8.read = 1.897 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.int8.read = 1.408 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.int4.read = 1.025 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.int8.overhead = 22.21 us ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.bf16.compute = 132.6 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.fp8.compute = 241.2 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.int4.compute = 81.36 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.int8.compute = 81.36 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
attention.read = 2.427 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
attention.read.grouped = 1.046 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
attention.compute = 142.1 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
experts.overhead = 0.001 us ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.experts-bf16.read = 0.8731 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.experts-fp8.read = 0.7255 TB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.experts-bf16.compute = 148 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
kernel.experts-fp8.compute = 161.3 TFLOPS ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
link.latency = 11.54 us ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py
link.bandwidth = 60.55 GB/s ; derived ; fit to SGLang rows of Qwen3's speed page (QwenLM/Qwen3@7a2f61f), scripts/planner/fit.py

# Batched serving from tables of single kernels, nothing fitted: one sequence alone reads its cache at a fraction of the rate
# that many reach together, so this calibration and the one above do not replace each other.
[engine sglang-batched]
error = 15 % ; derived ; batched rows of scripts/planner/validate.py lie within
kernel.bf16.read = 3.2 TB/s ; read ; alibaba/InferSim@f2293da: 80 % of 4.0 TB/s for weights
kernel.fp8.read = 1.93 TB/s ; derived ; alibaba/InferSim@f2293da bench_data/gemm/h20: m=16 as bytes / 1.93 TB/s + 4.6 us
kernel.experts-bf16.read = 1.48 TB/s ; derived ; as experts-fp8, the only experts' kernel in those tables
kernel.experts-fp8.read = 1.48 TB/s ; derived ; alibaba/InferSim@f2293da bench_data/grouped_gemm: 32 experts of 2048 x 768 x 3 in 101.8 us
kernel.bf16.compute = 137.6 TFLOPS ; derived ; alibaba/InferSim@f2293da: 93 % of peak, as its fp8 products from 4096 tokens on
kernel.fp8.compute = 275 TFLOPS ; derived ; alibaba/InferSim@f2293da bench_data/gemm/h20: 93 % of peak from 4096 tokens on
attention.read = 2.8 TB/s ; read ; alibaba/InferSim@f2293da: FlashInfer decode attention, 2.7-3.0 TB/s
attention.compute = 129 TFLOPS ; read ; alibaba/InferSim@f2293da bench_data/mha/prefill/h20: 87 % of peak
step.overhead = 5 ms ; read ; alibaba/InferSim@f2293da adds 5 ms to each step
request.overhead = 30 ms ; read ; alibaba/InferSim@f2293da adds 30 ms to the first token
chunk = 16384 ; read ; the rows' prompt tokens of one step
link.bandwidth = 360 GB/s ; read ; alibaba/InferSim@f2293da: 80 % of 450 GB/s
