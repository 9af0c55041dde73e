// What somebody may have meant by a name that does not exist.

enum NearestName {
    /// `; did you mean "threads"?`, or nothing when no name is near.
    static func hint(_ name: String, among names: [String]) -> String {
        let near = names.map { (name: $0, distance: distance(name.prefix(64), $0)) }.min { $0.distance < $1.distance }
        guard let near, near.distance <= max(2, name.count / 3) else { return "" }
        return "; did you mean \"\(near.name)\"?"
    }

    /// Single-character insertions, removals and replacements from one name to the other (Levenshtein).
    private static func distance(_ a: Substring, _ b: String) -> Int {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                (diagonal, row[j + 1]) = (row[j + 1], min(diagonal + (x == y ? 0 : 1), row[j] + 1, row[j + 1] + 1))
            }
        }
        return row[b.count]
    }
}
