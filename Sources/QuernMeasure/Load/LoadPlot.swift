// Loads as a picture: throughput, requests under way and time to the first token over the time of the run.

extension LoadResult {
    /// An SVG document of the loads one after another, under one title.
    public static func plot(_ results: [LoadResult], title: String) -> String {
        let panelHeight = 120.0
        let blockHeight = 3 * (panelHeight + 62) + 56
        var svg = SVG(width: 900, height: 60 + Double(results.count) * blockHeight)
        svg.text(title, at: Point(x: 20, y: 26), size: 16, isBold: true)
        for (index, result) in results.enumerated() {
            result.draw(in: &svg, top: 56 + Double(index) * blockHeight, panelHeight: panelHeight)
        }
        return svg.document
    }

    /// What was sent and what came of it, each on a line.
    private var summary: (load: String, latency: String) {
        var latency = [
            "TTFT p50 \(significant(timeToFirst.median * 1000)) ms, p99 \(significant(timeToFirst.p99 * 1000)) ms",
            "ITL p50 \(significant(gaps.median * 1000)) ms, p99 \(significant(gaps.p99 * 1000)) ms",
        ]
        if let target, let good, let goodput {
            latency.append("goodput \(fixed(goodput, 2)) requests/s (\(good) within \(target.text))")
        }
        return (
            "\(arrivals.text) · \(completed) of \(records.count) requests completed · \(fixed(outputRate, 1)) tokens/s generated",
            latency.joined(separator: " · ")
        )
    }

    private func draw(in svg: inout SVG, top: Double, panelHeight: Double) {
        let timeline = Timeline(self)
        let x = Scale(.linear, covering: [duration])
        svg.text(summary.load, at: Point(x: 20, y: top), color: Palette.axis)
        svg.text(summary.latency, at: Point(x: 20, y: top + 16), color: Palette.axis)
        let rates = timeline.rows.map { Double($0.outputTokens) / timeline.interval }
        func panel(_ row: Int, _ y: Scale) -> Panel {
            Panel(corner: Point(x: 80, y: top + 52 + Double(row) * (panelHeight + 62)), width: 790, height: panelHeight, x: x, y: y)
        }
        func steps(_ panel: Panel, _ values: [Double]) -> [Point] {
            zip(timeline.rows, values).flatMap { row, value in
                [panel.place(row.start, value), panel.place(min(row.start + timeline.interval, duration), value)]
            }
        }
        let first = panel(0, Scale(.linear, covering: rates))
        first.drawFrame(in: &svg, title: "generated tokens per second", xTitle: "", yTitle: "tok/s")
        svg.polyline(steps(first, rates), Palette.series[1])
        let second = panel(1, Scale(.linear, covering: timeline.rows.map { Double($0.running) }))
        second.drawFrame(in: &svg, title: "requests under way", xTitle: "", yTitle: "requests")
        svg.polyline(steps(second, timeline.rows.map { Double($0.running) }), Palette.series[2])
        let starts = records.compactMap { record in record.arrivals.first.flatMap { at in record.timeToFirst.map { (at, $0) } } }
        let third = panel(2, Scale(.logarithmic, covering: starts.map(\.1) + [target?.timeToFirst].compactMap { $0 }))
        third.drawFrame(in: &svg, title: "time to the first token", xTitle: "seconds", yTitle: "seconds")
        let origin = records.map(\.due).min() ?? 0
        for (at, wait) in starts { svg.circle(third.place(at - origin, wait), radius: 2, Palette.series[0], opacity: 0.6) }
        if let limit = target?.timeToFirst {
            svg.line(third.place(0, limit), third.place(duration, limit), Palette.wall, dashed: true)
        }
        let last = records.filter { !$0.isComplete }.map { third.place($0.ended - origin, third.y.high) }
        for place in last { svg.circle(place, radius: 3, Palette.wall) }
    }
}
