# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
name = AMD EPYC 9005, one socket, 12 channels of DDR5-6400
memory.capacity = unknown ; unknown ; whatever is fitted; --memory says how much
memory.bandwidth = 614.4 GB/s ; derived ; 12 x 51.2 GB/s
memory.read = 275 GB/s ; read ; mlc on one EPYC 9965 socket, NPS1 (ik_llama.cpp issue 612)
compute.bf16 = unknown ; unknown ; depends on cores and clock; quern calibrate measures a host
power = unknown ; unknown ; depends on the model
