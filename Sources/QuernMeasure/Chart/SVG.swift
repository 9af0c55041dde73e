// A picture as SVG text. Written here because no available package draws charts.
//
// Owns: elements and escaping. Does not own: axes and data. Invariant: the text is a complete document that needs no style
// sheet, script or font from elsewhere.

struct SVG {
    let width: Double
    let height: Double
    private var elements: [String] = []

    enum Anchor: String { case start, middle, end }

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    mutating func line(_ a: Point, _ b: Point, _ color: String, width: Double = 1, dashed: Bool = false) {
        let dash = dashed ? " stroke-dasharray=\"4 3\"" : ""
        elements.append(
            "<line x1=\"\(n(a.x))\" y1=\"\(n(a.y))\" x2=\"\(n(b.x))\" y2=\"\(n(b.y))\" stroke=\"\(color)\" stroke-width=\"\(n(width))\"\(dash)/>")
    }

    mutating func polyline(_ points: [Point], _ color: String, width: Double = 1.5) {
        let list = points.map { "\(n($0.x)),\(n($0.y))" }.joined(separator: " ")
        elements.append(
            "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"\(n(width))\" stroke-linejoin=\"round\"/>")
    }

    mutating func circle(_ center: Point, radius: Double, _ color: String, opacity: Double = 1) {
        elements.append(
            "<circle cx=\"\(n(center.x))\" cy=\"\(n(center.y))\" r=\"\(n(radius))\" fill=\"\(color)\" fill-opacity=\"\(n(opacity))\"/>")
    }

    mutating func rectangle(_ corner: Point, width: Double, height: Double, _ color: String) {
        elements.append(
            "<rect x=\"\(n(corner.x))\" y=\"\(n(corner.y))\" width=\"\(n(width))\" height=\"\(n(height))\" fill=\"\(color)\"/>")
    }

    mutating func text(
        _ text: String, at place: Point, anchor: Anchor = .start, size: Double = 11, color: String = "#333", isBold: Bool = false,
        angle: Double = 0
    ) {
        let turn = angle == 0 ? "" : " transform=\"rotate(\(n(angle)) \(n(place.x)) \(n(place.y)))\""
        let weight = isBold ? " font-weight=\"bold\"" : ""
        elements.append(
            "<text x=\"\(n(place.x))\" y=\"\(n(place.y))\" text-anchor=\"\(anchor.rawValue)\" font-size=\"\(n(size))\" "
                + "fill=\"\(color)\"\(weight)\(turn)>\(Self.escaped(text))</text>")
    }

    var document: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(n(width))" height="\(n(height))" viewBox="0 0 \(n(width)) \(n(height))" \
        font-family="Helvetica, Arial, sans-serif">
        <rect width="100%" height="100%" fill="#fff"/>
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }

    private func n(_ value: Double) -> String { shortest((value * 10).rounded() / 10) }

    /// Markup is text here, and control characters, which XML does not allow, are left out.
    static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { out, scalar in
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            default: if scalar.value >= 0x20 { out.unicodeScalars.append(scalar) }
            }
        }
    }
}

struct Point {
    var x: Double
    var y: Double
}

enum Palette {
    static let series = ["#2563a8", "#d1711f", "#3a8a4b", "#a33a6b", "#6b5bb0", "#7a6a2b"]
    static let grid = "#e3e3e3"
    static let axis = "#777"
    static let wall = "#b03030"
}
