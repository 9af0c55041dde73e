// JSON Schema: for every keyword, documents that are valid and can be written, and documents that are not and cannot.
import QuernGrammar
import QuernJSON
import Testing

@Suite struct SchemaTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let schema: String
        let valid: [String]
        let invalid: [String]
        var testDescription: String { schema }

        init(_ schema: String, valid: [String], invalid: [String]) {
            self.schema = schema
            self.valid = valid
            self.invalid = invalid
        }
    }

    static let cases = [
        Case(#"{"type": "null"}"#, valid: ["null"], invalid: ["0", ""]),
        Case(#"{"type": ["boolean", "null"]}"#, valid: ["true", "false", "null"], invalid: ["1", "\"true\""]),
        Case(#"{"type": "integer"}"#, valid: ["0", "-12", "123456789012345"], invalid: ["1.5", "01", "-0", "1e3", "+1"]),
        Case(#"{"type": "number"}"#, valid: ["0", "-1.25", "1e10", "2.5E-3"], invalid: [".5", "1.", "NaN", "1e400"]),
        Case(#"{"type": "string"}"#, valid: ["\"\"", "\"a\\\"\\n\\u00e9漢\"", #""\ud83d\ude00""#], invalid: ["\"\n\"", "\"\\x\"", #""\ud83d""#, #""\ude00""#]),
        Case(#"{"type": "integer", "minimum": -3, "maximum": 12}"#, valid: ["-3", "0", "9", "12"], invalid: ["-4", "13", "-10", "100"]),
        Case(#"{"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 1002}"#, valid: ["10", "99", "1001"], invalid: ["9", "1002", "1010"]),
        Case(#"{"type": "integer", "minimum": 2.5, "maximum": 4.5}"#, valid: ["3", "4"], invalid: ["2", "5"]),
        Case(#"{"type": "integer", "maximum": -2.5}"#, valid: ["-3", "-100"], invalid: ["-2", "0"]),
        Case(#"{"type": "number", "minimum": 0, "maximum": 1}"#, valid: ["0", "0.5", "1", "1.0", "0.999"], invalid: ["1.1", "-0.1", "2", "1.01"]),
        Case(#"{"type": "number", "exclusiveMinimum": 0.5, "maximum": 12.75}"#, valid: ["0.51", "0.500001", "12.75", "12.7", "3"], invalid: ["0.5", "0.50", "12.751", "12.8", "13", "0"]),
        Case(#"{"type": "number", "minimum": -1.5, "exclusiveMaximum": -0.25}"#, valid: ["-1.5", "-1", "-0.3", "-0.251"], invalid: ["-0.25", "-0.1", "0", "-1.51", "-2"]),
        Case(#"{"type": "number", "minimum": 1e-7, "maximum": 1e-6}"#, valid: ["0.0000005", "0.000001"], invalid: ["0", "0.00000001", "1"]),
        Case(#"{"enum": ["a", 1, null, {"b": [1, 2]}]}"#, valid: ["\"a\"", "1", "null", #"{"b": [1, 2]}"#], invalid: ["\"b\"", "2"]),
        Case(#"{"const": "x\"y"}"#, valid: [#""x\"y""#], invalid: ["\"x\""]),
        Case(#"{"type": "string", "enum": ["a", 1, "bcd"], "maxLength": 2}"#, valid: ["\"a\""], invalid: ["1", "\"bcd\""]),
        Case(#"{"type": "string", "minLength": 2, "maxLength": 3}"#, valid: ["\"ab\"", "\"漢字語\"", #""\"\n""#], invalid: ["\"a\"", "\"abcd\"", "\"\""]),
        Case(#"{"type": "string", "pattern": "^[a-z]+$"}"#, valid: ["\"abc\""], invalid: ["\"\"", "\"aB\"", "\"a b\""]),
        Case(#"{"type": "string", "pattern": "b{2}|[^a-y]{3}"}"#, valid: ["\"abbc\"", "\"bb\"", "\"a123\""], invalid: ["\"abc\"", "\"b\""]),
        Case(#"{"type": "string", "pattern": "^a", "minLength": 3, "maxLength": 4}"#, valid: ["\"abc\"", "\"aaaa\""], invalid: ["\"ab\"", "\"bac\"", "\"abcde\""]),
        Case(#"{"type": "string", "format": "date"}"#, valid: ["\"2024-02-29\"", "\"1999-12-31\""], invalid: ["\"2023-02-29\"", "\"2024-13-01\"", "\"2024-04-31\""]),
        Case(#"{"type": "string", "format": "time"}"#, valid: ["\"23:59:59Z\"", "\"01:02:03.5+01:30\""], invalid: ["\"24:00:00Z\"", "\"12:00\""]),
        Case(#"{"type": "string", "format": "uuid"}"#, valid: ["\"123e4567-e89b-12d3-a456-426614174000\""], invalid: ["\"123e4567\""]),
        Case(#"{"type": "string", "format": "email"}"#, valid: ["\"a.b@example.org\""], invalid: ["\"a@b\"", "\"@x.org\"", "\"a b@x.org\""]),
        Case(
            #"{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}, "required": ["a"]}"#,
            valid: [#"{"a": 1}"#, #"{"a": 1, "b": true}"#], invalid: ["{}", #"{"b": true}"#, #"{"a": 1, }"#, #"{"a": "1"}"#]),
        Case(
            #"{"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}}"#,
            valid: ["{}", #"{"a": 1}"#, #"{"b": 2}"#, #"{"a": 1, "c": 3}"#, #"{"a": 1, "b": 2, "c": 3}"#], invalid: [#"{"a": 1"#, #"{"a": 2}"#]),
        Case(
            #"{"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": {"type": "integer"}}"#,
            valid: [#"{"a": 1, "b": 2, "ab": 3}"#, #"{"x": 5}"#, "{}"], invalid: [#"{"b": "x"}"#, #"{"a": 1, "a": 2}"#, #"{"x": 1, "a": 7}"#]),
        Case(#"{"type": "object"}"#, valid: ["{}", #"{"x": [1, {"y": null}]}"#], invalid: ["[]"]),
        Case(#"{"type": "object", "additionalProperties": false}"#, valid: ["{}"], invalid: [#"{"x": 1}"#]),
        Case(#"{"type": "object", "required": ["z"]}"#, valid: [#"{"z": 1}"#], invalid: ["{}"]),
        Case(
            #"{"type": "object", "properties": {"k\"😀": {"type": "null"}}, "required": ["k\"😀"], "additionalProperties": false}"#,
            valid: [#"{"k\"😀": null}"#], invalid: ["{}"]),
        Case(#"{"type": "array", "items": {"type": "integer"}}"#, valid: ["[]", "[1]", "[1, 2, 3]"], invalid: ["[\"a\"]", "[1, ]", "[1"]),
        Case(#"{"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 3}"#, valid: ["[1, 1]", "[1, 1, 1]"], invalid: ["[]", "[1]", "[1, 1, 1, 1]"]),
        Case(
            #"{"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}}"#,
            valid: ["[]", "[1]", "[1, 2]", "[1, 2, 3, 3]"], invalid: ["[2]", "[1, 2, 2]"]),
        Case(#"{"type": "array", "prefixItems": [{"const": 1}], "items": false, "minItems": 1}"#, valid: ["[1]"], invalid: ["[]", "[1, 1]"]),
        Case(#"{"type": "array", "maxItems": 0}"#, valid: ["[]"], invalid: ["[1]"]),
        Case(#"{"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]}"#, valid: ["5", "\"a\""], invalid: ["\"ab\"", "null"]),
        Case(#"{"oneOf": [{"type": "integer"}, {"type": "string"}]}"#, valid: ["5", "\"a\""], invalid: ["null"]),
        Case(
            #"""
            {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
             {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}
            """#,
            valid: [#"{"kind": "a", "x": 1}"#, #"{"kind": "b"}"#], invalid: [#"{"kind": "a"}"#, #"{"kind": "c"}"#]),
        Case(
            #"{"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 5}, "b": {"const": 1}}, "required": ["b"]}]}"#,
            valid: [#"{"a": 5, "b": 1}"#], invalid: [#"{"a": 4, "b": 1}"#, #"{"a": 5}"#]),
        Case(#"{"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 4}], "anyOf": [{"const": 4}, {"const": 9}]}"#, valid: ["4"], invalid: ["3", "9"]),
        Case(
            ##"{"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}, "required": ["v"], "additionalProperties": false}}}"##,
            valid: [#"{"v": 1}"#, #"{"v": 1, "next": {"v": 2, "next": {"v": 3}}}"#], invalid: [#"{"next": {"v": 1}}"#, #"{"v": 1, "next": null}"#]),
        Case(##"{"type": "array", "items": {"$ref": "#"}}"##, valid: ["[]", "[[], [[]]]"], invalid: ["[1]", "[[]"]),
        Case(
            ##"{"properties": {"a~/b": {"const": 1}, "c": {"$ref": "#/properties/a~0~1b"}}, "type": "object", "required": ["c"]}"##,
            valid: [#"{"c": 1}"#, #"{"a~/b": 1, "c": 1}"#], invalid: [#"{"c": 2}"#]),
        Case("true", valid: ["1", "{}", "[null]", "\"a\""], invalid: ["", "nul"]),
        Case(#"{"title": "t", "description": "d", "default": 1, "type": "null"}"#, valid: ["null"], invalid: ["1"]),
    ]

    @Test(arguments: cases) func allowsExactlyWhatIsValid(_ item: Case) throws {
        for text in item.valid { #expect(try accepts(.schema(item.schema), text), "should allow \(text)") }
        for text in item.invalid { #expect(try !accepts(.schema(item.schema), text), "should refuse \(text)") }
    }

    @Test(arguments: [
        (#"{"type": "foo"}"#, "/type"), (#"{"type": []}"#, "/type"), (#"{"enum": []}"#, "/enum"),
        (#"{"type": "array", "minItems": 3, "maxItems": 2}"#, "/minItems"), (#"{"multipleOf": 0}"#, "/multipleOf"),
        (#"{"not": {}}"#, "/not"), (#"{"if": {}, "then": {}}"#, "/if"), (#"{"dependentSchemas": {}}"#, "/dependentSchemas"),
        (#"{"properties": {"a/b": {"patternProperties": {}}}}"#, "/properties/a~1b/patternProperties"),
        (#"{"items": {"uniqueItems": true}}"#, "/items/uniqueItems"), (#"{"format": "color"}"#, "/format"),
        (##"{"minLenght": 3}"##, "/minLenght"), (##"{"$ref": "#/a/b/c"}"##, "/$ref"), (##"{"$ref": "http://example.org/s"}"##, "/$ref"),
        (#"{"$ref": "file:///etc/passwd"}"#, "/$ref"), (#"{"properties": {"p": {"pattern": "^+[a-z]$"}}}"#, "/properties/p/pattern"),
        (#"{"type": "string", "pattern": "(?<=a)b"}"#, "/pattern"), (#"{"items": [{}]}"#, "/items"), (#"{"required": "a"}"#, "/required"),
        (#"{"minimum": "1"}"#, "/minimum"), (#"{"exclusiveMinimum": true}"#, "/exclusiveMinimum"), (#"{"maxLength": -1}"#, "/maxLength"),
        (#"{"anyOf": []}"#, "/anyOf"), (#"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#, "/oneOf/1"),
        (#"{"properties": {"a": 5}}"#, "/properties/a"), (#"{"properties": []}"#, "/properties"),
    ])
    func refusalsNameThePlace(_ schema: String, _ pointer: String) throws {
        let error = #expect(throws: GrammarError.self) { _ = try accepts(try .schema(schema), "") }
        #expect(error?.pointer == pointer, "\(error.map(String.init(describing:)) ?? "")")
    }

    @Test(arguments: [
        "{\"$ref\": \"#\"}",
        ##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##,
        ##"{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}"##,
        #"{"type": "string", "allOf": [{"type": "integer"}]}"#,
        #"{"type": "integer", "minimum": 5, "maximum": 4}"#,
        #"{"type": "string", "pattern": "^a{5}$", "maxLength": 3}"#,
        "false",
    ])
    func whatNothingSatisfiesIsRefused(_ schema: String) {
        #expect(throws: GrammarError.self) { _ = try accepts(try .schema(schema), "") }
    }

    static let hostile: [String] = [
        "{\"anyOf\": [" + (0..<10_000).map { "{\"const\": \($0)}" }.joined(separator: ",") + "]}",
        "{\"allOf\": [" + Array(repeating: "{\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \"string\"}, {\"minLength\": 2}]}", count: 40).joined(separator: ",") + "]}",
        "{\"const\": \"" + String(repeating: "a", count: 1 << 20) + "\"}",
        "{\"type\": \"object\", \"properties\": {" + (0..<20_000).map { "\"p\($0)\": {\"type\": \"integer\"}" }.joined(separator: ",") + "}}",
        "{\"$ref\": \"#/$defs/d0\", \"$defs\": {" + (0..<10_000).map { "\"d\($0)\": {\"$ref\": \"#/$defs/d\($0 + 1)\"}" }.joined(separator: ",") + ", \"d10000\": {}}}",
        "{\"type\": \"object\", \"properties\": {\"a\": {\"$ref\": \"#/$defs/d0\"}}, \"$defs\": {"
            + (0..<10_000).map { "\"d\($0)\": {\"type\": \"object\", \"properties\": {\"n\": {\"$ref\": \"#/$defs/d\($0 + 1)\"}}, \"required\": [\"n\"]}" }.joined(separator: ",")
            + ", \"d10000\": {}}}",
        #"{"type": "array", "items": {"type": "array", "items": {"type": "string", "maxLength": 2000}, "maxItems": 2000}, "maxItems": 2000}"#,
        #"{"type": "string", "pattern": "^(a|b)*a(a|b){30}$"}"#,
        #"{"type": "string", "minLength": 1000000}"#,
        #"{"minimum": 1e308, "maximum": -1e308, "type": "number"}"#,
    ]

    @Test(arguments: hostile.indices) func hostileSchemasEndWithinTheirBudget(_ index: Int) throws {
        do {
            _ = try accepts(try .schema(Self.hostile[index]), "")
        } catch let error as GrammarError {
            #expect(error.kind == .tooComplex || error.kind == .invalid)
        }
    }

    @Test func twentyOptionalPropertiesStayLinear() throws {
        let properties = (0..<20).map { "\"p\($0)\": {\"type\": \"string\"}" }.joined(separator: ",")
        let grammar = try CompiledGrammar.compile(try .schema("{\"type\": \"object\", \"properties\": {\(properties)}}"), vocabulary: .bytes)
        #expect(grammar.stateCount < 1_000)
    }

    @Test func flexibleSpacingAllowsLinesButNotBlankAnswers() throws {
        let schema = try JSONValue(parsing: Array(#"{"type": "object", "properties": {"a": {"type": "array", "items": {"const": 1}}}, "required": ["a"]}"#.utf8))
        let grammar = Grammar.schema(schema, spacing: .flexible, pointer: "")
        #expect(try accepts(grammar, "{\n  \"a\": [\n    1,\n    1\n  ]\n}"))
        #expect(try accepts(grammar, #"{"a":[1,1]}"#))
        #expect(try accepts(grammar, #"{ "a": [1, 1] }"#))
        #expect(try !accepts(grammar, "{\n\n\"a\": []}"))
        #expect(try !accepts(grammar, "{" + String(repeating: " ", count: 30) + "\"a\": []}"))
    }

    @Test func parametersAreStringsWithoutQuotes() throws {
        func parameter(_ schema: String) throws -> Grammar {
            let whole = try JSONValue(parsing: Array("{\"properties\": {\"p\": \(schema)}}".utf8))
            return .sequence([.parameter(of: whole, name: "p", avoiding: "</p>", pointer: ""), .literal("\n</p>")])
        }
        #expect(try accepts(try parameter(#"{"type": "string"}"#), "two\nlines \"quoted\"\n</p>"))
        #expect(try !accepts(try parameter(#"{"type": "string"}"#), "a</p>b\n</p>"))
        #expect(try accepts(try parameter(#"{"type": "integer", "minimum": 3}"#), "12\n</p>"))
        #expect(try !accepts(try parameter(#"{"type": "integer"}"#), "x\n</p>"))
        #expect(try accepts(try parameter(#"{"enum": ["a", "b"]}"#), "a\n</p>"))
        #expect(try accepts(try parameter(#"{"type": "object", "properties": {"x": {"type": "string"}}}"#), "{\"x\": \"y\"}\n</p>"))
    }
}
