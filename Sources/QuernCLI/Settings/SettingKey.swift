// Every setting that a configuration file or the environment can hold: its name there, and what it may be.
import Logging
import QuernEngine
import QuernTensor

/// What a setting's value may be.
enum SettingKind: Sendable {
    case text
    case integer(ClosedRange<Int>)
    case choice([String])
    /// Bytes, as a number or with a unit: "4GiB".
    case size
    /// Seconds, as a number or with a unit: "10m".
    case duration
    case flag
}

/// One setting. The raw value is its key in the file; in the environment it is `QUERN_` and the key in capitals.
enum SettingKey: String, CaseIterable, Sendable {
    case socket, model, threads, context, precision, kv, isa, device, pace
    case pipeSocket = "pipe_socket"
    case maxSequences = "max_sequences"
    case logLevel = "log_level"
    case memoryBudget = "memory_budget"
    case idleUnload = "idle_unload"
    case stateDir = "state_dir"
    case queueTimeout = "queue_timeout"
    case drainTimeout = "drain_timeout"

    var variable: String { "QUERN_" + rawValue.uppercased() }

    var kind: SettingKind {
        switch self {
        case .socket, .pipeSocket, .model, .device, .stateDir: .text
        case .pace: .flag
        case .threads: .integer(1...1024)
        case .context: .integer(1...(1 << 24))
        case .precision: .choice(Precision.allCases.map(\.rawValue))
        case .kv: .choice(KVFormat.allCases.map(\.rawValue))
        case .isa: .choice(InstructionSet.supported)
        case .maxSequences: .integer(1...256)
        case .logLevel: .choice(Logger.Level.allCases.map(\.rawValue))
        case .memoryBudget: .size
        case .idleUnload, .queueTimeout, .drainTimeout: .duration
        }
    }
}

/// What a value became once it was checked.
enum SettingValue: Sendable, Equatable {
    case text(String)
    /// Also bytes, and seconds.
    case integer(Int)
    case flag(Bool)
}

extension SettingKind {
    /// The checked value of a text, as environment variables hold; nil when it is not allowed.
    func value(of text: String) -> SettingValue? {
        switch self {
        case .text: .text(text)
        case .integer(let range): Int(text).flatMap { range.contains($0) ? .integer($0) : nil }
        case .choice(let names): names.contains(text) ? .text(text) : nil
        case .size: Self.scaled(text, ["B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40], default: 1)
        case .duration: Self.scaled(text, ["s": 1, "m": 60, "h": 3600, "d": 86400], default: 1)
        case .flag:
            ["1", "true", "on"].contains(text.lowercased())
                ? .flag(true) : ["0", "false", "off"].contains(text.lowercased()) ? .flag(false) : nil
        }
    }

    private static func scaled(_ text: String, _ units: [String: Int], default factor: Int) -> SettingValue? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text[digits.endIndex...].drop { $0 == " " }
        guard let number = Int(digits), let factor = unit.isEmpty ? factor : units[String(unit)] else { return nil }
        let (value, overflows) = number.multipliedReportingOverflow(by: factor)
        return overflows ? nil : .integer(value)
    }

    /// What is allowed, for messages.
    var expectation: String {
        switch self {
        case .text: "a text"
        case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let names): "one of " + names.joined(separator: ", ")
        case .size: "a size such as 4GiB"
        case .duration: "a time such as 10m"
        case .flag: "true or false"
        }
    }
}
