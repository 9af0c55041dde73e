// A framed area with two scales, in which data is drawn.

struct Panel {
    let corner: Point
    let width: Double
    let height: Double
    let x: Scale
    let y: Scale

    func place(_ xValue: Double, _ yValue: Double) -> Point {
        Point(x: corner.x + x.share(xValue) * width, y: corner.y + (1 - y.share(yValue)) * height)
    }

    /// Title, grid, labels of both axes.
    func drawFrame(in svg: inout SVG, title: String, xTitle: String, yTitle: String) {
        svg.text(title, at: Point(x: corner.x, y: corner.y - 8), size: 13, isBold: true)
        for tick in x.ticks {
            let foot = Point(x: corner.x + x.share(tick) * width, y: corner.y + height)
            svg.line(Point(x: foot.x, y: corner.y), foot, Palette.grid)
            svg.text(Scale.label(tick), at: Point(x: foot.x, y: foot.y + 15), anchor: .middle)
        }
        for tick in y.ticks {
            let left = Point(x: corner.x, y: corner.y + (1 - y.share(tick)) * height)
            svg.line(left, Point(x: corner.x + width, y: left.y), Palette.grid)
            svg.text(Scale.label(tick), at: Point(x: left.x - 6, y: left.y + 4), anchor: .end)
        }
        svg.line(Point(x: corner.x, y: corner.y + height), Point(x: corner.x + width, y: corner.y + height), Palette.axis)
        svg.line(corner, Point(x: corner.x, y: corner.y + height), Palette.axis)
        svg.text(xTitle, at: Point(x: corner.x + width / 2, y: corner.y + height + 32), anchor: .middle)
        svg.text(yTitle, at: Point(x: corner.x - 46, y: corner.y + height / 2), anchor: .middle, angle: -90)
    }
}
