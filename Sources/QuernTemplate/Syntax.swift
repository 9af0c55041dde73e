// The syntax tree of a template.

indirect enum Expression: Sendable {
    case literal(Value)
    case name(String, line: Int)
    case list([Expression])
    case tuple([Expression])
    case dict([(Expression, Expression)])
    case attribute(Expression, String, line: Int)
    case item(Expression, Expression, line: Int)
    case slice(Expression, Expression?, Expression?, Expression?, line: Int)
    case call(Expression, Arguments, line: Int)
    case filter(Expression, String, Arguments, line: Int)
    case test(Expression, String, [Expression], isNegated: Bool, line: Int)
    case not(Expression)
    case negate(Expression, line: Int)
    case binary(BinaryOperator, Expression, Expression, line: Int)
    case compare(Expression, [(CompareOperator, Expression)], line: Int)
    case and(Expression, Expression)
    case or(Expression, Expression)
    case conditional(Expression, then: Expression, otherwise: Expression?)
}

enum BinaryOperator: Sendable {
    case add, subtract, multiply, divide, floorDivide, modulo, power, concatenate
}

enum CompareOperator: Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, contained, notContained
}

struct Arguments: Sendable {
    var positional: [Expression] = []
    var named: [(name: String, value: Expression)] = []
}

enum Statement: Sendable {
    case text(String)
    case output(Expression, line: Int)
    case conditional([(condition: Expression, body: [Statement])], otherwise: [Statement])
    case loop(Loop)
    case set(targets: [String], value: Expression, line: Int)
    case setAttribute(object: String, attribute: String, value: Expression, line: Int)
    case setBlock(target: String, filters: [(name: String, arguments: Arguments)], body: [Statement], line: Int)
    case macro(Macro)
    case filterBlock(filters: [(name: String, arguments: Arguments)], body: [Statement], line: Int)
    case scope([(name: String, value: Expression)], body: [Statement])
    case breakLoop
    case continueLoop

    struct Loop: Sendable {
        let targets: [String]
        let iterable: Expression
        let condition: Expression?
        let body: [Statement]
        let otherwise: [Statement]
        let isRecursive: Bool
        let line: Int
    }
}
