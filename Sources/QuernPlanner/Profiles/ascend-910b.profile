# One fact a line: key = value unit ; confidence ; source. Confidence: read, derived, recalled, measured, unknown.
#
# Blogs that quote 400 or 768 GB/s for the memory are wrong. Variants differ: 280 TFLOPS (ai.gitee.com) to 353.9 (910B2).
name = Huawei Ascend 910B 64GB
memory.capacity = 64 GB ; read ; ai.gitee.com; CANN ops-cv guide
memory.reserve = 2 GiB ; recalled ; what runtimes of this class take
memory.bandwidth = 1.6 TB/s ; read ; CANN ops-cv cross_platform_migration_guide (Atlas A2); a 910B4 copied at 1.24
compute.bf16 = 280 .. 353.9 TFLOPS ; read ; ai.gitee.com (280); gitcode cann/ops-cv 997 (353.9); 328 were measured
compute.int8 = 560 TOPS ; read ; ai.gitee.com
link.bandwidth = 196 GB/s ; recalled ; 392 GB/s of HCCS for both directions
power = unknown ; unknown ; not looked for
chips = 8 ; recalled ; one Atlas 800 machine
