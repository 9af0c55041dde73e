// Renders a syntax tree: statements. Expressions are in Interpreter+Expressions.swift.
//
// Owns: scopes, output, limits. Invariants: every loop turn and every evaluation counts as a step; output is measured
// before it grows; recursion is bounded by `depth`. Nothing a template does can leave this type.

final class Interpreter {
    let limits: TemplateLimits
    let clock: TemplateClock
    var scopes: [[String: Value]]
    private var output = TemplateString()
    private var steps = 0
    private var depth = 0

    init(variables: [String: Value], limits: TemplateLimits, clock: TemplateClock) {
        scopes = [variables, [:]]
        self.limits = limits
        self.clock = clock
    }

    func render(_ body: [Statement]) throws(TemplateError) -> TemplateString {
        _ = try run(body)
        return output
    }

    enum Flow {
        case normal
        case breaking
        case continuing
    }

    func step(_ line: Int = 0) throws(TemplateError) {
        steps += 1
        guard steps <= limits.steps else {
            throw TemplateError(.limit, "the template needs more than \(limits.steps) steps", line: line)
        }
    }

    func requireOutput(_ bytes: Int, line: Int) throws(TemplateError) {
        guard bytes <= limits.outputBytes else {
            throw TemplateError(.limit, "template output > \(limits.outputBytes / (1 << 20)) MiB", line: line)
        }
    }

    func nested<T>(line: Int, _ body: () throws(TemplateError) -> T) throws(TemplateError) -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= limits.depth else { throw TemplateError(.limit, "depth \(limits.depth) exceeded", line: line) }
        return try body()
    }

    private func write(_ text: TemplateString, line: Int) throws(TemplateError) {
        try requireOutput(output.byteCount + text.byteCount, line: line)
        output.append(text)
    }

    /// Renders `body` apart from the output; the result is what it would have written.
    func capture(_ body: [Statement]) throws(TemplateError) -> TemplateString {
        let outer = output
        output = TemplateString()
        defer { output = outer }
        _ = try run(body)
        return output
    }

    // ---- scopes ----

    func lookUp(_ name: String) -> Value? {
        for scope in scopes.reversed() { if let value = scope[name] { return value } }
        return nil
    }

    func assign(_ name: String, _ value: Value) { scopes[scopes.count - 1][name] = value }

    func inScope<T>(_ names: [String: Value] = [:], _ body: () throws(TemplateError) -> T) throws(TemplateError) -> T {
        scopes.append(names)
        defer { scopes.removeLast() }
        return try body()
    }

    // ---- statements ----

    func run(_ body: [Statement]) throws(TemplateError) -> Flow {
        for statement in body {
            try step()
            let flow = try run(statement)
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func run(_ statement: Statement) throws(TemplateError) -> Flow {
        switch statement {
        case .text(let text): try write(TemplateString(text, isTrusted: true), line: 0)
        case .output(let expression, let line): try write(try evaluate(expression).printed, line: line)
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition).isTrue { return try run(branch.body) }
            return try run(otherwise)
        case .loop(let loop): try run(loop, over: try evaluate(loop.iterable), depth: 1)
        case .set(let targets, let value, let line): try assign(targets, try evaluate(value), line: line)
        case .setAttribute(let object, let attribute, let value, let line):
            guard case .namespace(let namespace) = lookUp(object) else {
                throw TemplateError(.runtime, "cannot assign attribute on non-namespace object", line: line)
            }
            namespace.attributes[attribute] = try evaluate(value)
        case .setBlock(let target, let filters, let body, let line):
            let captured = try inScope { () throws(TemplateError) in try capture(body) }
            assign(target, try apply(filters, to: .string(captured), line: line))
        case .macro(let macro): assign(macro.name, .macro(macro))
        case .filterBlock(let filters, let body, let line):
            let captured = try inScope { () throws(TemplateError) in try capture(body) }
            try write(try apply(filters, to: .string(captured), line: line).printed, line: line)
        case .scope(let bindings, let body):
            var names: [String: Value] = [:]
            for binding in bindings { names[binding.name] = try evaluate(binding.value) }
            return try inScope(names) { () throws(TemplateError) in try run(body) }
        case .breakLoop: return .breaking
        case .continueLoop: return .continuing
        }
        return .normal
    }

    private func apply(
        _ filters: [(name: String, arguments: Arguments)], to value: Value, line: Int
    ) throws(TemplateError) -> Value {
        var value = value
        for filter in filters {
            value = try Filters.apply(filter.name, to: value, try evaluate(filter.arguments), interpreter: self, line: line)
        }
        return value
    }

    private func assign(_ targets: [String], _ value: Value, line: Int) throws(TemplateError) {
        for (name, part) in try unpack(value, into: targets, line: line) { assign(name, part) }
    }

    private func unpack(_ value: Value, into targets: [String], line: Int) throws(TemplateError) -> [(String, Value)] {
        if targets.count == 1 { return [(targets[0], value)] }
        let parts = try iterate(value, line: line)
        guard parts.count == targets.count else {
            throw TemplateError(.runtime, "cannot unpack \(parts.count) values into \(targets.count) names", line: line)
        }
        return Array(zip(targets, parts))
    }

    private func run(_ loop: Statement.Loop, over value: Value, depth loopDepth: Int) throws(TemplateError) {
        var items = try iterate(value, line: loop.line)
        if let condition = loop.condition {
            var kept: [Value] = []
            for item in items {
                try step(loop.line)
                let bindings = try unpack(item, into: loop.targets, line: loop.line)
                let accepted = try inScope(Dictionary(bindings) { $1 }) { () throws(TemplateError) in
                    try evaluate(condition).isTrue
                }
                if accepted { kept.append(item) }
            }
            items = kept
        }
        guard !items.isEmpty else {
            _ = try inScope { () throws(TemplateError) in try run(loop.otherwise) }
            return
        }
        try nested(line: loop.line) { () throws(TemplateError) in
            for index in items.indices {
                try step(loop.line)
                var names = Dictionary(try unpack(items[index], into: loop.targets, line: loop.line)) { $1 }
                names["loop"] = .loop(LoopState(index0: index, items: items, depth: loopDepth))
                let flow = try inScope(names) { () throws(TemplateError) in try run(loop.body) }
                if flow == .breaking { return }
            }
        }
    }

    /// The items of anything Python could iterate over.
    func iterate(_ value: Value, line: Int) throws(TemplateError) -> [Value] {
        switch value {
        case .list(let items), .tuple(let items): return items
        case .undefined: return []
        case .dict(let entries): return entries.map { .string($0.key) }
        case .string(let text):
            let scalars = text.scalars
            return (0..<scalars.count).map { .string(scalars.slice($0..<($0 + 1))) }
        default: throw TemplateError(.runtime, "'\(value.typeName)' object is not iterable", line: line)
        }
    }
}
