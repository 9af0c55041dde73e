// Places where text of any length may be cut in two that encode independently.
//
// Behind a line feed that an ASCII character other than white space follows: in every supported pattern a piece ends there,
// and an ASCII character neither composes with what precedes nor is changed by NFC.

enum TextCut {
    /// About how much is encoded at a time.
    static let stride = 1 << 20

    static func last(in text: UnsafeBufferPointer<UInt8>, before end: Int) -> Int? {
        var index = min(end, text.count - 1)
        while index > 0 {
            if isCut(text, index) { return index }
            index -= 1
        }
        return nil
    }

    static func first(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var index = max(1, start)
        while index < text.count {
            if isCut(text, index) { return index }
            index += 1
        }
        return nil
    }

    private static func isCut(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        text[index - 1] == 0x0A && text[index] > 0x20 && text[index] < 0x7F
    }
}
