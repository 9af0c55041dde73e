# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
#
# Memory is what the buyer chose and shared with everything else: give --memory.
name = Apple M3 Ultra
memory.capacity = unknown ; unknown ; several sizes are sold; --memory says which
memory.share = 75 % ; recalled ; what the system lets the GPU use
memory.bandwidth = 800 GB/s ; read ; ggml-org/llama.cpp discussion 4167; Apple says over 800 GB/s
compute.bf16 = unknown ; unknown ; not published as a rate
power = unknown ; unknown ; not published for the chip alone

[engine llama.cpp-metal]
error = 15 % ; derived ; spread over the chips of ggml-org/llama.cpp discussion 4167
layer.overhead = 1 us ; derived ; folded into the read rates, which are whole tokens
kernel.bf16.read = 456 .. 568 GB/s ; derived ; 57-71 % of the bandwidth: median F16 of discussion 4167
kernel.q8.read = 400 .. 480 GB/s ; derived ; 50-60 % of the bandwidth: median Q8_0 of discussion 4167
kernel.q4.read = 288 .. 360 GB/s ; derived ; 36-45 % of the bandwidth: median Q4_0 of discussion 4167
