# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
name = AMD EPYC 9004, one socket, 12 channels of DDR5-4800
memory.capacity = unknown ; unknown ; whatever is fitted; --memory says how much
memory.bandwidth = 460.8 GB/s ; derived ; 12 x 38.4 GB/s
memory.read = 230 .. 390 GB/s ; read ; 230 measured on a shared machine (ktransformers issue 587); 85 % of the peak as STREAM reaches
compute.bf16 = unknown ; unknown ; depends on cores and clock; quern calibrate measures a host
power = unknown ; unknown ; depends on the model
