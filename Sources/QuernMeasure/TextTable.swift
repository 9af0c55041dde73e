// Rows of text in columns, for people, for markdown and for spreadsheets.

public struct TextTable: Sendable {
    private let titles: [String]
    /// How many columns at the left are words; the others are numbers and stand at the right.
    private let words: Int
    private var rows: [[String]] = []

    public init(_ titles: [String], words: Int) {
        self.titles = titles
        self.words = words
    }

    /// - Precondition: as many cells as titles.
    public mutating func append(_ cells: [String]) {
        precondition(cells.count == titles.count)
        rows.append(cells)
    }

    public var plain: String {
        let widths = titles.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
        return ([titles] + rows).map { row in
            row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return column < words ? row[column] + space : space + row[column]
            }.joined(separator: "  ").trimmed
        }.joined(separator: "\n")
    }

    public var markdown: String {
        let rule = titles.indices.map { $0 < words ? "---" : "---:" }
        return ([titles, rule] + rows).map { row in
            let cells = row.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
            return "| " + cells.joined(separator: " | ") + " |"
        }.joined(separator: "\n")
    }

    /// As RFC 4180, with plain newlines.
    public var csv: String {
        ([titles] + rows).map { row in
            row.map { cell in
                guard cell.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return cell }
                return "\"" + cell.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
            }.joined(separator: ",")
        }.joined(separator: "\n")
    }
}

extension String {
    /// Without spaces at the end.
    fileprivate var trimmed: String { String(self.reversed().drop { $0 == " " }.reversed()) }
}
