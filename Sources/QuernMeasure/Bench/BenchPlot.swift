// A report as a picture: rates with their spread on the left, the machine's roofline with the measured points on the right.

extension BenchReport {
    /// An SVG document of the measured series.
    public var plot: String {
        let groups = [BenchSeries.Kind.prefill, .decode].map { kind in series.filter { $0.key.kind == kind } }.filter { !$0.isEmpty }
        let rowHeight = 22.0
        let barHeight = groups.reduce(0) { $0 + 40 + Double($1.count) * rowHeight }
        var svg = SVG(width: 1060, height: max(barHeight + 70, 430))
        svg.text(subject.model, at: Point(x: 20, y: 26), size: 16, isBold: true)
        let parts = [subject.precision, subject.threads.map { "\($0) threads" } ?? "", subject.instructionSet, subject.processor, subject.date]
        svg.text(parts.filter { !$0.isEmpty }.joined(separator: " · "), at: Point(x: 20, y: 44), color: Palette.axis)
        var top = 70.0
        for group in groups {
            Self.drawBars(group, in: &svg, top: top, rowHeight: rowHeight)
            top += 40 + Double(group.count) * rowHeight
        }
        if let walls { drawRoofline(walls, in: &svg) }
        return svg.document
    }

    private static func color(_ kind: BenchSeries.Kind) -> String { Palette.series[kind == .prefill ? 0 : 1] }

    /// One bar per series, from zero to the median, with a whisker from the slowest to the fastest run.
    private static func drawBars(_ group: [BenchSeries], in svg: inout SVG, top: Double, rowHeight: Double) {
        let scale = Scale(.linear, covering: group.flatMap(\.runs))
        let (left, width) = (170.0, 270.0)
        svg.text("\(group[0].key.kind.rawValue), tokens per second", at: Point(x: 20, y: top + 4), size: 13, isBold: true)
        for (index, series) in group.enumerated() {
            let y = top + 14 + Double(index) * rowHeight
            let key = series.key
            let label = "\(key.tokens) tokens" + (key.depth > 0 ? " at \(key.depth)" : "") + (key.batch > 1 ? " × \(key.batch)" : "")
            svg.text(label, at: Point(x: left - 8, y: y + 12), anchor: .end)
            svg.rectangle(Point(x: left, y: y + 1), width: scale.share(series.tokensPerSecond) * width, height: 14, color(key.kind))
            let ends = [series.runs.min(), series.runs.max()].map { left + scale.share($0 ?? 0) * width }
            svg.line(Point(x: ends[0], y: y + 8), Point(x: ends[1], y: y + 8), "#000")
            for end in ends { svg.line(Point(x: end, y: y + 5), Point(x: end, y: y + 11), "#000") }
            svg.text(
                "\(significant(series.tokensPerSecond)) ± \(significant(series.runs.halfRange))",
                at: Point(x: max(ends[1], left + scale.share(series.tokensPerSecond) * width) + 6, y: y + 12))
        }
    }

    /// Williams, Waterman, Patterson 2009, with multiply-accumulates instead of floating-point operations.
    private func drawRoofline(_ walls: BenchWalls, in svg: inout SVG) {
        let points = series.compactMap { series -> (key: BenchSeries.Key, x: Double, rates: [Double])? in
            guard let bytes = series.bytesPerToken, let multiplies = series.multipliesPerToken, bytes > 0, multiplies > 0 else { return nil }
            return (series.key, multiplies / bytes, series.runs.map { $0 * multiplies / 1e9 })
        }
        guard !points.isEmpty, walls.readBandwidth > 0 else { return }
        let roof = walls.multiplyRate / 1e9
        let knee = walls.multiplyRate / walls.readBandwidth
        let x = Scale(.logarithmic, covering: points.map(\.x) + [0.5, knee * 4])
        func bound(_ intensity: Double) -> Double {
            let memory = intensity * walls.readBandwidth / 1e9
            return roof > 0 ? min(roof, memory) : memory
        }
        let y = Scale(.logarithmic, covering: points.flatMap(\.rates) + [bound(x.low), bound(x.high)])
        let panel = Panel(corner: Point(x: 620, y: 78), width: 410, height: 290, x: x, y: y)
        panel.drawFrame(in: &svg, title: "roofline", xTitle: "multiply-accumulates per byte read", yTitle: "GMAC/s")
        let corners = [x.low, min(max(knee, x.low), x.high), x.high]
        svg.polyline(corners.map { panel.place($0, bound($0)) }, Palette.wall, width: 2)
        svg.text(
            "read \(fixed(walls.readBandwidth / 1e9, 1)) GB/s", at: Point(x: panel.corner.x + 8, y: panel.corner.y + 16), color: Palette.wall)
        if roof > 0 {
            svg.text(
                "multiply \(fixed(roof, 0)) GMAC/s", at: Point(x: panel.corner.x + panel.width - 4, y: panel.place(x.high, roof).y - 6),
                anchor: .end, color: Palette.wall)
        }
        for point in points {
            let color = Self.color(point.key.kind)
            let ends = [point.rates.min() ?? 0, point.rates.max() ?? 0].map { panel.place(point.x, $0) }
            svg.line(ends[0], ends[1], color, width: 2)
            svg.circle(panel.place(point.x, point.rates.median), radius: 4, color)
        }
        for (index, kind) in [BenchSeries.Kind.prefill, .decode].enumerated() where points.contains(where: { $0.key.kind == kind }) {
            let y = panel.corner.y + panel.height - 12 - Double(index) * 16
            svg.circle(Point(x: panel.corner.x + panel.width - 66, y: y - 4), radius: 4, Self.color(kind))
            svg.text(kind.rawValue, at: Point(x: panel.corner.x + panel.width - 56, y: y))
        }
    }
}
