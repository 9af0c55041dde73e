// A roofline picture: what each device can do at each ratio of arithmetic to traffic, and where the load stands.
//
// Source of the form: Williams, Waterman, Patterson, "Roofline" (CACM 2009). Both axes are logarithmic; a device is a slope
// (bandwidth) and a ceiling (arithmetic), and points show decoding and prompts as predicted. Invariant: the picture is
// self-contained SVG 1.1 without scripts or fonts.

import Foundation
import QuernModel

public struct RooflinePlot {
    private let plans: [Plan]

    public init(_ plans: [Plan]) { self.plans = plans }

    private static let size = (width: 760.0, height: 460.0)
    private static let area = (left: 80.0, right: 540.0, top: 30.0, bottom: 400.0)
    /// Of the colour-blind-safe palette by Okabe and Ito.
    private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
    /// Operations per byte.
    private static let intensities = 0.5...5000.0

    private struct Point {
        let label: String
        let intensity: Double
        let rate: Double
    }

    public var svg: String {
        let roofs = plans.map { Roof($0) }
        let top = (roofs.map(\.ceiling).max() ?? 1) * 2
        let bottom = top / 1e5
        var parts: [String] = []
        for exponent in 0...3 {
            let value = Self.power(exponent)
            parts.append(line(x(value), Self.area.top, x(value), Self.area.bottom, "#ddd"))
            parts.append(text(x(value), Self.area.bottom + 18, "\(Int(value))", anchor: "middle"))
        }
        for exponent in 6...17 where (bottom...top).contains(Self.power(exponent)) {
            let height = y(Self.power(exponent), bottom, top)
            parts.append(line(Self.area.left, height, Self.area.right, height, "#ddd"))
            parts.append(text(Self.area.left - 6, height + 4, Self.rateName(exponent), anchor: "end"))
        }
        for (index, (plan, roof)) in zip(plans, roofs).enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            parts.append(path(roof, bottom, top, colour))
            for point in Self.points(plan) where point.rate > bottom {
                let centre = (x(point.intensity), y(point.rate, bottom, top))
                parts.append("<circle cx=\"\(f(centre.0))\" cy=\"\(f(centre.1))\" r=\"4\" fill=\"\(colour)\"/>")
                parts.append(text(centre.0 + 6, centre.1 + 12, point.label, anchor: "start"))
            }
            let height = Self.area.top + 14 + 20 * Double(index)
            parts.append(line(Self.area.right + 14, height - 4, Self.area.right + 34, height - 4, colour))
            parts.append(text(Self.area.right + 40, height, plan.profile.id, anchor: "start"))
        }
        parts.append(text((Self.area.left + Self.area.right) / 2, Self.size.height - 20, "operations per byte", anchor: "middle"))
        parts.append(text(Self.area.left, Self.area.top - 10, "operations per second", anchor: "start"))
        let head = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(f(Self.size.width)) \(f(Self.size.height))\" "
            + "font-family=\"sans-serif\" font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
        return ([head] + parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    private struct Roof {
        let bandwidth: Double
        let ceiling: Double

        init(_ plan: Plan) {
            let rates = Rates(plan.profile, engine: plan.engine, scenario: .expected)
            bandwidth = rates.read(plan.load.format.kernel) * Double(plan.load.chips)
            let kernel = plan.load.format.kernel
            ceiling = (rates.measuredCompute(kernel, tokens: 4096) ?? rates.compute(kernel)) * Double(plan.load.chips)
        }
    }

    /// Where decoding and prompts stand: all operations and bytes of the step over its whole time.
    private static func points(_ plan: Plan) -> [Point] {
        let perToken = plan.model.operationsPerToken
        let step = perToken * Double(plan.load.batch)
        let prompts = perToken * Double(plan.load.batch) * Double(plan.load.input)
        let weights = plan.memory.weights * max(1, (Double(plan.load.batch * plan.load.input) / Uncalibrated.chunk).rounded(.up))
        return [
            Point(label: "decode", intensity: step / max(1, plan.stepBytes), rate: step / plan.step.seconds),
            Point(label: "prefill", intensity: prompts / weights, rate: prompts / plan.prefill.seconds),
        ]
    }

    private func path(_ roof: Roof, _ bottom: Double, _ top: Double, _ colour: String) -> String {
        let ridge = roof.ceiling / roof.bandwidth
        let start = max(Self.intensities.lowerBound, bottom / roof.bandwidth)
        let points = [(start, start * roof.bandwidth), (ridge, roof.ceiling), (Self.intensities.upperBound, roof.ceiling)]
        let steps = points.map { "\(f(x($0.0))),\(f(y($0.1, bottom, top)))" }.joined(separator: " ")
        return "<polyline points=\"\(steps)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>"
    }

    private func x(_ intensity: Double) -> Double {
        let clamped = min(max(intensity, Self.intensities.lowerBound), Self.intensities.upperBound)
        let share = log(clamped / Self.intensities.lowerBound) / log(Self.intensities.upperBound / Self.intensities.lowerBound)
        return Self.area.left + share * (Self.area.right - Self.area.left)
    }

    private func y(_ rate: Double, _ bottom: Double, _ top: Double) -> Double {
        let share = log(min(max(rate, bottom), top) / bottom) / log(top / bottom)
        return Self.area.bottom - share * (Self.area.bottom - Self.area.top)
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String) -> String {
        "<line x1=\"\(f(x1))\" y1=\"\(f(y1))\" x2=\"\(f(x2))\" y2=\"\(f(y2))\" stroke=\"\(colour)\"/>"
    }

    private func text(_ x: Double, _ y: Double, _ content: String, anchor: String) -> String {
        "<text x=\"\(f(x))\" y=\"\(f(y))\" text-anchor=\"\(anchor)\">\(escaped(content))</text>"
    }

    private func escaped(_ text: String) -> String {
        text.reduce(into: "") { out, character in
            switch character {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            default: out.append(character)
            }
        }
    }

    private func f(_ value: Double) -> String { decimal(value, 1) }

    private static func power(_ exponent: Int) -> Double { (0..<exponent).reduce(1.0) { value, _ in value * 10 } }

    private static func rateName(_ exponent: Int) -> String {
        let (scale, rest) = exponent.quotientAndRemainder(dividingBy: 3)
        return "\(Int(power(rest))) \(["", "k", "M", "G", "T", "P"][min(scale, 5)])"
    }
}
