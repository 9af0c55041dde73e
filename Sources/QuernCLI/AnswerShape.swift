// What an answer of run and map must look like: one constraint, read from the command line.
//
// Owns: the options, the request field they become, and the verdict on a finished answer. Invariants: a constraint that cannot be
// enforced ends the command before a model is asked or loaded; an answer that was cut off before it satisfied the constraint is
// never passed off as one.
import ArgumentParser
import Foundation
import QuernGrammar
import QuernJSON

struct ShapeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Answer with JSON that satisfies this JSON Schema.", valueName: "file"))
    var schema: String?

    @Option(help: ArgumentHelp("Answer with text that this regular expression matches as a whole.", valueName: "pattern"))
    var regex: String?

    @Option(help: ArgumentHelp("Answer with text of this grammar (GBNF).", valueName: "file"))
    var grammar: String?

    @Option(help: ArgumentHelp("Answer with one of these texts; given several times.", valueName: "text"))
    var choice: [String] = []

    func validate() throws {
        let options = [("--schema", schema), ("--regex", regex), ("--grammar", grammar), ("--choice", choice.first)]
        let names = options.compactMap { name, value in value.map { _ in name } }
        if names.count > 1 { throw ValidationError("\(names[0]) and \(names[1]) exclude each other") }
        if choice.contains("") { throw ValidationError("--choice is empty") }
    }

    /// The constraint that was asked for; nil for free text.
    func read() throws -> AnswerShape? {
        if let schema {
            let json: JSONValue
            do {
                json = try JSONValue(parsing: try Self.contents(of: schema))
            } catch let error as JSONError {
                throw Failure(status: 65, message: "\(schema): is not JSON: \(error)")
            }
            let remedy = "; `quern schema check \(schema)` lists everything that is refused"
            return try AnswerShape(schema, .schema(json, spacing: .flexible, pointer: ""), ["json": json], remedy: remedy)
        }
        if let regex { return try AnswerShape("--regex", .regex(regex), ["regex": .string(regex)]) }
        if let grammar {
            guard let source = String(validating: try Self.contents(of: grammar), as: UTF8.self) else {
                throw Failure(status: 65, message: "\(grammar): is not valid UTF-8")
            }
            return try AnswerShape(grammar, .gbnf(source), ["grammar": .string(source)])
        }
        guard !choice.isEmpty else { return nil }
        return try AnswerShape("--choice", .choice(of: choice), ["choice": .array(choice.map { .string($0) })])
    }

    private static func contents(of path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.missing("\(path): \(String(cString: strerror(errno)))")
        }
        return [UInt8](data)
    }
}

/// A constraint that was found enforceable.
struct AnswerShape: Sendable {
    /// What the request's `structured_outputs` holds.
    let field: JSONValue
    /// Answers are JSON documents.
    let isJSON: Bool
    private let origin: String
    private let grammar: CompiledGrammar

    /// - Parameters:
    ///   - origin: the file or option the constraint came from.
    ///   - remedy: appended to the reason why it is refused.
    fileprivate init(_ origin: String, _ grammar: Grammar, _ field: JSONValue, remedy: String = "") throws {
        self.origin = origin
        self.field = field
        isJSON = if case .schema = grammar { true } else { false }
        do throws(GrammarError) {
            self.grammar = try CompiledGrammar.compile(grammar, vocabulary: Vocabulary((0...UInt8.max).map { [$0] }))
        } catch {
            throw Failure(status: 65, message: "\(origin): \(error)\(remedy)")
        }
    }

    /// - Throws: `Failure` when `text` does not satisfy the constraint as a whole, which is so when it was cut off.
    func check(_ text: String) throws(Failure) {
        var matcher = GrammarMatcher(grammar)
        guard matcher.accept(Array(text.utf8)), matcher.isComplete else {
            throw .general("the answer ended before it satisfied \(origin): raise --max-tokens or --context, or drop --stop")
        }
    }
}
