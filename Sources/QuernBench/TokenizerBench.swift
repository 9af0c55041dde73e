// `quern-bench tokenizer`: megabytes per second of encoding, first pass and repeat pass, and what loading costs.
//
// Three parts per text, CPU time of one thread. The first pass is the first time this process sees the text; the repeat pass
// is the best of three with word caches only, so that it measures encoding; the segment pass lets whole segments be reused.
import ArgumentParser
import Foundation
import Glibc
import QuernJSON
import QuernTokenizer

struct TokenizerBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer",
        abstract: "Measure encoding: MB/s of the first and of repeated passes, and loading.",
        discussion: """
            Writes one JSON object. scripts/bench-tokenizer.sh runs it beside other libraries on the same texts.

            Example:
              quern-bench tokenizer --tokenizer tokenizer.json essay.txt code.py
            """)

    @Option(help: "A tokenizer.json.")
    var tokenizer: String

    @Option(help: "Parts of each text that count as one; a text is FILE, or FILE.0 to FILE.(N-1).")
    var parts = 1

    @Flag(help: "Only open the tokenizer, which is as a packed model stores it, and say what that takes.")
    var packed = false

    @Argument(help: "UTF-8 texts.")
    var files: [String] = []

    func run() throws {
        if packed { return print(try measureOpening().serialized()) }
        var clock = CPUClock()
        let definition = try TokenizerDefinition(tokenizerJSON: try bytes(tokenizer))
        let model = try Tokenizer(definition, cachesSegments: false)
        let jsonSeconds = clock.lap()
        let caching = try Tokenizer(definition)
        _ = model.encode(String(repeating: "hello world ", count: 50))
        var report = JSONObject()
        for file in files {
            let names = parts == 1 ? [file] : (0..<parts).map { "\(file).\($0)" }
            report[file] = measure(try names.map { try bytes($0) }, model, caching)
        }
        let opening = try openElsewhere(definition)
        let answer: JSONValue = [
            "load_json_ms": .double(jsonSeconds * 1e3), "load_packed_ms": opening["ms"] ?? .null, "tables_bytes": opening["tables"] ?? .null,
            "resident_bytes": opening["resident"] ?? .null, "files": .object(report),
        ]
        print(answer.serialized())
    }

    /// A process of its own opens the packed form: here memory and caches have been used by reading the other.
    private func openElsewhere(_ definition: TokenizerDefinition) throws -> JSONValue {
        let file = FileManager.default.temporaryDirectory.appending(path: "quern-bench-\(getpid()).tokenizer")
        try Data(definition.serialized()).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let child = Process()
        let output = Pipe()
        child.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        child.arguments = ["tokenizer", "--packed", "--tokenizer", file.path]
        child.standardOutput = output
        try child.run()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        child.waitUntilExit()
        return try JSONValue(parsing: [UInt8](answer))
    }

    /// Reading and checking the definition, and the tables; then also the caches of one thread.
    private func measureOpening() throws -> JSONValue {
        let data = try bytes(tokenizer)
        let before = residentBytes()
        var clock = CPUClock()
        let model = try Tokenizer(try TokenizerDefinition(serialized: data))
        let seconds = clock.lap()
        let tables = residentBytes() - before
        _ = model.encode("hello world")
        return [
            "ms": .double(seconds * 1e3), "tables": .int(Int64(tables)), "resident": .int(Int64(residentBytes() - before)),
        ]
    }

    private func measure(_ texts: [[UInt8]], _ model: Tokenizer, _ caching: Tokenizer) -> JSONValue {
        var ids: [TokenID] = []
        ids.reserveCapacity(texts.reduce(0) { $0 + $1.count })
        func pass(_ tokenizer: Tokenizer) -> Double {
            var clock = CPUClock()
            for text in texts {
                ids.removeAll(keepingCapacity: true)
                text.withUnsafeBufferPointer { tokenizer.encode(utf8: $0, parseSpecial: true, into: &ids) }
            }
            return clock.lap()
        }
        let megabytes = Double(texts.reduce(0) { $0 + $1.count }) / 1e6
        let first = pass(model)
        let again = (0..<3).map { _ in pass(model) }.min() ?? first
        _ = pass(caching)
        let segments = (0..<3).map { _ in pass(caching) }.min() ?? first
        var all: [TokenID] = []
        for text in texts { text.withUnsafeBufferPointer { model.encode(utf8: $0, parseSpecial: true, into: &all) } }
        let digest = all.reduce(UInt64(0)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return [
            "first": .double(megabytes / first), "repeat": .double(megabytes / again), "segments": .double(megabytes / segments),
            "tokens": .int(Int64(all.count)), "digest": .string(String(digest, radix: 16)),
        ]
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else { throw ValidationError("\(path): cannot be read") }
        return [UInt8](data)
    }

    private func residentBytes() -> Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(getpagesize())
    }
}

/// CPU time of this thread.
private struct CPUClock {
    private var start = CPUClock.now()

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Seconds since the last lap.
    mutating func lap() -> Double {
        let now = Self.now()
        defer { start = now }
        return now - start
    }
}
