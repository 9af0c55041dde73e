# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
#
# 700 GB/s, the number in the launch coverage, is the chip-to-chip figure: both directions of 7 links of 50 GB/s. It is not
# memory bandwidth: a 2B model in bf16 was measured at 224-273 tok/s, which 700 GB/s would cap at 186. Nobody publishes the
# peak of the memory; 6 stacks of HBM2e would have 2.46-2.76 TB/s.
name = T-Head Zhenwu 810E (PPU-ZW810E)
memory.capacity = 98304 MiB ; read ; ppu-smi in a public deployment README; press: 96 GB HBM2e (servernews.ru/1136036)
memory.reserve = 2 GiB ; recalled ; what runtimes of this class take
memory.bandwidth = unknown ; unknown ; nobody publishes a peak; public spec pages list it as undisclosed
memory.read = 2.27 TB/s ; read ; PingGuoLiZiJvZi/ppu rec.md; its LM-head kernel reads 248320 x 2048 bf16 in 0.4503 ms = 2.26 TB/s
compute.bf16 = 123 TFLOPS ; read ; alibaba/RecIS GpuInfoInquirer; a GEMM was measured at 110.4
compute.int8 = 246 TOPS ; read ; alibaba/RecIS GpuInfoInquirer; rate never measured in public
compute.f32 = 25 TFLOPS ; read ; alibaba/RecIS GpuInfoInquirer
compute.fp8 = unknown ; unknown ; no native fp8 (vllm-sail CHIP_PROFILES); software casts
link.bandwidth = 350 GB/s ; derived ; 7 links x 50 GB/s per direction (t-head/sailbandwidth); stated as 700 GB/s for both directions
power = 400 W ; read ; table broadcast 2025-09-16 (hxjkbz.com/n/959285); public deployment README
chips = 16 ; read ; one server connects 16 (Aliyun SDK note 2.1, help.aliyun.com 3030339)

# Replayed graphs: measured 3.66-3.97 ms (fused kernels) and 4.24-4.47 ms (vLLM 0.23 for SAIL) per token of Qwen3.5-2B.
[engine vllm-sail-0.23]
layer.overhead = 83 .. 116 us ; derived ; (measured ms per token - weights / 2.27 TB/s) / 24 layers, Qwen3.5-2B
layer.overhead.eager = 858 us ; derived ; the same from 22.27 ms per token without graphs
kernel.bf16.read = 2.27 TB/s ; read ; PingGuoLiZiJvZi/ppu rec.md
# Integer kernels of the public stack are bound by dispatch: 0.095-0.11 ms a product where bf16 takes 0.02-0.08 ms.
kernel.int8.read = 0.13 .. 2.27 TB/s ; derived ; lower: 12.6 MB in 0.095 ms eager (PingGuoLiZiJvZi/ppu); upper: bf16's rate
kernel.int4.read = 0.13 .. 2.27 TB/s ; derived ; as int8; no public measurement
kernel.bf16.compute = 110.4 TFLOPS ; read ; GEMM 1024 x 1024 x 4096, PingGuoLiZiJvZi/ppu
kernel.int8.compute = 27 .. 220 TFLOPS ; derived ; lower: GEMM 1024 x 1024 x 4096 in 0.112 ms eager incl. quantising is 77; small shapes less; upper: 90 % of peak
attention.compute = 37 .. 110 TFLOPS ; derived ; 30-90 % of peak; no public measurement
link.latency = 7 .. 9 us ; derived ; small messages on the sibling M890 (sailbandwidth, PCCL documentation)
link.bandwidth = 290 GB/s ; derived ; all-reduce of the M890 at 334 of 400 GB/s, applied to 350
