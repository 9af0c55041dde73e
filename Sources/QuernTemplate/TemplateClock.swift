// The time a template may ask for, formatted by the C library as Python does.
import Glibc

/// A point in local time.
public struct TemplateClock: Sendable {
    private let seconds: Int

    /// The current time.
    public static var now: TemplateClock { TemplateClock(secondsSince1970: Int(time(nil))) }

    /// - Parameter secondsSince1970: shown in the local time zone.
    public init(secondsSince1970 seconds: Int) { self.seconds = seconds }

    private static let maxFormat = 256

    func format(_ format: String, line: Int) throws(TemplateError) -> String {
        guard format.utf8.count <= Self.maxFormat else {
            throw TemplateError(.limit, "a time format has more than \(Self.maxFormat) bytes", line: line)
        }
        var moment = time_t(seconds)
        var parts = tm()
        localtime_r(&moment, &parts)
        // A format may expand to nothing; a marker tells that from a buffer that is too small.
        var buffer = [CChar](repeating: 0, count: 64 * Self.maxFormat)
        let count = strftime(&buffer, buffer.count, format + "|", &parts)
        return String(decoding: buffer[..<max(0, count - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
