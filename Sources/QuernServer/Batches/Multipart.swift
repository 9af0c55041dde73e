// multipart/form-data (RFC 7578) as it arrives, piece by piece; nothing but a part's head and the end of a piece is kept.
//
// Written here because none of the packages this project builds with reads it. Invariants: every look-ahead is bounded; a part's
// content is handed over byte for byte; whatever is not this format ends in a MultipartError, wherever the pieces are cut.

struct MultipartError: Error, Sendable, Equatable {
    let reason: String
}

struct MultipartParser {
    enum Event: Sendable, Equatable {
        /// A part begins.
        case part(name: String, filename: String?)
        /// The next bytes of its content.
        case content(ArraySlice<UInt8>)
        case partEnd
    }

    private enum State {
        case preamble, afterDelimiter, head, content, done
    }

    static let maxHeadBytes = 8 << 10
    static let maxParts = 16
    /// What ends a part's content.
    private let delimiter: [UInt8]
    private var state = State.preamble
    private var buffer: [UInt8]
    private var partCount = 0

    /// - Parameter contentType: the request's header.
    /// - Throws: when it is not this format, or has no usable boundary.
    init(contentType: String) throws(MultipartError) {
        let parameters = try HeaderValue(contentType)
        guard parameters.value.lowercased() == "multipart/form-data" else {
            throw MultipartError(reason: "the body is not multipart/form-data")
        }
        guard let boundary = parameters["boundary"], (1...70).contains(boundary.utf8.count),
            boundary.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { throw MultipartError(reason: "multipart/form-data needs a boundary of 1 to 70 characters") }
        delimiter = Array("\r\n--\(boundary)".utf8)
        buffer = [0x0D, 0x0A]       // the first delimiter may stand at the very beginning
    }

    /// The last part has ended.
    var isDone: Bool { if case .done = state { true } else { false } }

    /// Takes the next bytes.
    mutating func append(_ bytes: some Collection<UInt8>) throws(MultipartError) -> [Event] {
        buffer += bytes
        var events: [Event] = []
        var position = 0
        while let next = try step(from: position, &events) { position = next }
        buffer.removeFirst(position)
        return events
    }

    /// Reads one thing at `start`; returns where the next one is, nil when more bytes are needed.
    private mutating func step(from start: Int, _ events: inout [Event]) throws(MultipartError) -> Int? {
        switch state {
        case .preamble:
            let found = find(from: start)
            guard found.isWhole else { return found.index > start ? found.index : nil }
            state = .afterDelimiter
            return found.index + delimiter.count
        case .afterDelimiter:
            guard buffer.count - start >= 2 else { return nil }
            switch (buffer[start], buffer[start + 1]) {
            case (0x2D, 0x2D): state = .done
            case (0x0D, 0x0A): state = .head
            default: throw MultipartError(reason: "a boundary is followed by neither a line end nor --")
            }
            return start + 2
        case .head: return try head(from: start, &events)
        case .content:
            let found = find(from: start)
            if found.index > start { events.append(.content(buffer[start..<found.index])) }
            guard found.isWhole else { return found.index > start ? found.index : nil }
            events.append(.partEnd)
            state = .afterDelimiter
            return found.index + delimiter.count
        case .done: return start < buffer.count ? buffer.count : nil     // an epilogue means nothing
        }
    }

    /// The first delimiter from `start` on, or where one might begin that is not there yet.
    private func find(from start: Int) -> (index: Int, isWhole: Bool) {
        var index = start
        while let candidate = buffer[index...].firstIndex(of: 0x0D) {
            let rest = buffer[candidate...]
            if rest.starts(with: delimiter) { return (candidate, true) }
            if rest.count < delimiter.count, delimiter.starts(with: rest) { return (candidate, false) }
            index = candidate + 1
        }
        return (buffer.count, false)
    }

    private mutating func head(from start: Int, _ events: inout [Event]) throws(MultipartError) -> Int? {
        var lines: [ArraySlice<UInt8>] = []
        var line = start
        while true {
            guard let end = buffer[line...].firstIndex(of: 0x0A), end - start <= Self.maxHeadBytes else {
                guard buffer.count - start <= Self.maxHeadBytes else {
                    throw MultipartError(reason: "the head of a part exceeds \(Self.maxHeadBytes) bytes")
                }
                return nil
            }
            guard end > line, buffer[end - 1] == 0x0D else {
                throw MultipartError(reason: "a line in the head of a part does not end with CR LF")
            }
            let text = buffer[line..<(end - 1)]
            line = end + 1
            if text.isEmpty { break }
            lines.append(text)
        }
        partCount += 1
        guard partCount <= Self.maxParts else { throw MultipartError(reason: "the body has more than \(Self.maxParts) parts") }
        events.append(try Self.part(lines))
        state = .content
        return line
    }

    private static func part(_ lines: [ArraySlice<UInt8>]) throws(MultipartError) -> Event {
        for line in lines {
            guard let text = String(validating: line, as: UTF8.self), let colon = text.firstIndex(of: ":") else {
                throw MultipartError(reason: "the head of a part is not made of fields in UTF-8")
            }
            guard text[..<colon].lowercased() == "content-disposition" else { continue }
            let value = try HeaderValue(String(text[text.index(after: colon)...]))
            guard value.value.lowercased() == "form-data", let name = value["name"] else { break }
            return .part(name: name, filename: value["filename"])
        }
        throw MultipartError(reason: "a part has no Content-Disposition: form-data with a name")
    }
}

/// `value; name=token; name="quoted \"text\""`.
private struct HeaderValue {
    let value: String
    private var parameters: [String: String] = [:]

    init(_ text: String) throws(MultipartError) {
        var rest = Substring(text)
        value = String(Self.takeToken(&rest, until: ";"))
        while rest.first == ";" {
            rest.removeFirst()
            let name = Self.takeToken(&rest, until: "=;").lowercased()
            guard rest.first == "=" else {
                if name.isEmpty { continue }
                throw MultipartError(reason: "a header parameter has no value")
            }
            rest.removeFirst()
            rest = rest.drop { $0 == " " }
            let content = rest.first == "\"" ? try Self.takeQuoted(&rest) : String(Self.takeToken(&rest, until: ";"))
            guard parameters.updateValue(content, forKey: name) == nil else {
                throw MultipartError(reason: "a header parameter comes twice")
            }
            rest = rest.drop { $0 == " " }
        }
        guard rest.isEmpty else { throw MultipartError(reason: "a header has text behind a quoted parameter") }
    }

    subscript(name: String) -> String? { parameters[name] }

    private static func takeToken(_ rest: inout Substring, until ends: String) -> Substring {
        let token = rest.prefix { !ends.contains($0) }
        rest = rest[token.endIndex...]
        return token.trimmingWhitespace()
    }

    private static func takeQuoted(_ rest: inout Substring) throws(MultipartError) -> String {
        rest.removeFirst()
        var text = ""
        while let character = rest.popFirst() {
            if character == "\"" { return text }
            if character == "\\", let next = rest.first, next == "\"" || next == "\\" {
                text.append(rest.removeFirst())
            } else {
                text.append(character)
            }
        }
        throw MultipartError(reason: "a quoted header parameter is not closed")
    }
}
