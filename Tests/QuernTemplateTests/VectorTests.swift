// Chat templates of public models against transformers' rendering.
import Foundation
import QuernJSON
import QuernTemplate
import TestSupport
import Testing

@Suite struct VectorTests {
    static let file = "vectors/chat_templates_dev.jsonl"
    /// 2026-11-22 07:05:09, at which the vectors were made.
    static let clock = TemplateClock(secondsSince1970: 1_795_331_109)

    @Test(.enabled(if: SharedData.has(file, "templates"), "needs \(file) and templates/ of the shared data"))
    func agreesWithTransformers() throws {
        var templates: [String: ChatTemplate] = [:]
        var failures: [String] = []
        let lines = try SharedData.lines(Self.file)
        for line in lines {
            let row = try JSONValue(parsing: line)
            let name = try #require(row["template"]?.stringValue)
            let label = "\(name) / \(row["scenario"]?.stringValue ?? "")"
            if templates[name] == nil {
                let path = ["templates/\(name)", "templates/\(name).jinja"].first { SharedData.has($0) } ?? name
                templates[name] = try ChatTemplate(source: String(decoding: try SharedData.bytes(path), as: UTF8.self))
            }
            let input = try #require(row["input"]?.objectValue)
            do {
                let text = try #require(templates[name]).render(input, clock: Self.clock).text
                if let expected = row["expected"]?.stringValue {
                    if !text.utf8.elementsEqual(expected.utf8) { failures.append("\(label): got \(text.suffix(300).debugDescription), want \(expected.suffix(300).debugDescription)") }
                } else {
                    failures.append("\(label): rendered, expected the error \(row["error"]?.stringValue ?? "")")
                }
            } catch let error as TemplateError {
                if row["expected"] != nil { failures.append("\(label): \(error)") }
                if row["error_type"]?.stringValue == "TemplateError", error.message != row["error"]?.stringValue {
                    failures.append("\(label): \(error.message) instead of \(row["error"]?.stringValue ?? "")")
                }
            }
        }
        #expect(lines.count == 339)
        #expect(failures.isEmpty, "\(failures.count) of \(lines.count): \(failures.prefix(5).joined(separator: "\n"))")
    }
}
