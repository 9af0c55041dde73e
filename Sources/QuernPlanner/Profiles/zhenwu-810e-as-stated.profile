# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
#
# The launch coverage taken literally: "96 GB HBM2e, 700 GB/s" read as the memory's bandwidth. A floor for cautious plans.
# It contradicts the measurements behind zhenwu-810e: at 700 GB/s no 2B model in bf16 passes 186 tok/s, and 224-273 were seen.
name = T-Head Zhenwu 810E, 700 GB/s taken as its memory bandwidth
memory.capacity = 98304 MiB ; read ; launch coverage: 96 GB HBM2e
memory.reserve = 2 GiB ; recalled ; what runtimes of this class take
memory.bandwidth = 700 GB/s ; read ; launch coverage, taken literally; the sources say chip-to-chip, see zhenwu-810e
compute.bf16 = 123 TFLOPS ; read ; alibaba/RecIS GpuInfoInquirer
compute.int8 = 246 TOPS ; read ; alibaba/RecIS GpuInfoInquirer
link.bandwidth = unknown ; unknown ; the one stated number is spent on memory here
power = 400 W ; read ; table broadcast 2025-09-16 (hxjkbz.com/n/959285)
