// Who measured, on what machine, when.
import Foundation
import QuernMeasure

extension BenchReport.Subject {
    mutating func describeHost() {
        version = Quern.version
        date = Date().formatted(.iso8601)
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        processor = lines.first { $0.hasPrefix("model name") || $0.hasPrefix("Hardware") }
            .flatMap { $0.split(separator: ":").dropFirst().first }?.trimmingCharacters(in: .whitespaces) ?? ""
    }
}
