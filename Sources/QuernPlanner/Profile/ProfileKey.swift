// The vocabulary of profile files: which keys there are and what each measures.
//
// Invariant: a key that is not listed here is refused, so that a typing error never turns into a missing fact.

/// Where a line stands: facts of the device, or terms of one engine on it.
enum ProfileSection: Equatable {
    case device
    case engine(String)
}

enum ProfileKey {
    /// Of every number in base units; within them no prediction overflows.
    static let bounds = 1e-12...1e21

    private static let device: [String: Dimension] = [
        "memory.capacity": .bytes,          // of one chip
        "memory.share": .fraction,          // of the capacity that a model may use
        "memory.reserve": .bytes,           // runtime, driver and workspace of one chip
        "memory.bandwidth": .bytesPerSecond,    // peak
        "memory.read": .bytesPerSecond,     // what kernels reach
        "compute.f32": .operationsPerSecond,
        "compute.bf16": .operationsPerSecond,
        "compute.int8": .operationsPerSecond,
        "compute.fp8": .operationsPerSecond,
        "link.bandwidth": .bytesPerSecond,  // between chips, one direction
        "power": .watts,                    // of one chip
        "chips": .count,                    // that one machine connects
    ]

    private static let engine: [String: Dimension] = [
        "error": .fraction,                 // of predictions against the measurements behind the terms
        "layer.overhead": .seconds,         // per layer and step, launches and small kernels
        "layer.overhead.eager": .seconds,   // per layer, host-bound, when steps are not replayed as a graph
        "graph.limit": .count,              // positions up to which steps are replayed
        "step.overhead": .seconds,          // per step
        "request.overhead": .seconds,       // per request
        "chunk": .count,                    // prompt tokens of one step
        "attention.read": .bytesPerSecond,  // keys and values while decoding
        "attention.read.grouped": .bytesPerSecond,  // the same with at least four query heads per key head
        "attention.step": .operationsPerSecond,     // while decoding, on top of reading
        "attention.compute": .operationsPerSecond,  // of prompts
        "state.read": .bytesPerSecond,      // recurrent state, read and written
        "activation.read": .bytesPerSecond, // element-wise work between products
        "activation.prompt": .bytesPerSecond,   // the same in prompts, where it differs
        "groups.32": .fraction,             // speed of products whose weights share scales by 32, of that by 64
        "threads": .count,                  // that share a step's heads
        "experts.overhead": .seconds,       // per layer with routed experts
        "link.latency": .seconds,           // of one all-reduce
        "link.bandwidth": .bytesPerSecond,  // an all-reduce reaches
        "process.memory": .bytes,           // of the process without a model
        "process.memory.token": .bytes,     // for each entry of the vocabulary
    ]

    private static let kernel: [String: Dimension] = [
        "read": .bytesPerSecond,            // weights, few tokens
        "overhead": .seconds,               // per layer, beyond the layer's own
        "compute": .operationsPerSecond,    // many tokens
    ]

    /// What `key` measures; nil when there is no such key in the section.
    static func dimension(of key: String, in section: ProfileSection) -> Dimension? {
        guard section != .device else { return device[key] ?? byThreads(key) }
        let parts = key.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.first == "kernel" else { return engine[key] }
        guard parts.count >= 3, !parts[1].isEmpty else { return nil }
        // kernel.CLASS.compute.N is the rate over N tokens.
        if parts.count == 4, parts[2] == "compute", let tokens = Int(parts[3]), tokens > 0 { return .operationsPerSecond }
        return parts.count == 3 ? kernel[String(parts[2])] : nil
    }

    /// memory.read.N: the same with N of the threads.
    private static func byThreads(_ key: String) -> Dimension? {
        let prefix = "memory.read."
        return key.hasPrefix(prefix) && Int(key.dropFirst(prefix.count)).map { $0 > 0 } == true ? .bytesPerSecond : nil
    }

    static func known(in section: ProfileSection) -> String {
        guard section != .device else { return (device.keys.sorted() + ["memory.read.THREADS"]).joined(separator: ", ") }
        return (engine.keys.sorted() + kernel.keys.sorted().map { "kernel.CLASS.\($0)" } + ["kernel.CLASS.compute.TOKENS"])
            .joined(separator: ", ")
    }
}
