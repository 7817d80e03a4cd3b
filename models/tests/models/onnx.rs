//! Writes small ONNX files: just enough of protocol buffers for a graph of a few nodes.

/// A message of protocol buffers in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn number(mut self, field: u64, value: usize) -> Self {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: Message) -> Self {
        self.bytes(field, &message.0)
    }
}

const FLOAT: usize = 1;
const INTS: usize = 7;

/// A graph in the making.
#[derive(Default)]
pub(crate) struct Graph(Message);

impl Graph {
    /// Adds a node with one output that carries the node's name. Attributes are lists of whole numbers.
    pub(crate) fn node(
        self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, &[usize])],
    ) -> Self {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(1, input);
        }
        node = node.text(2, output).text(3, output).text(4, operator);
        for (name, values) in attributes {
            let attribute = Message::default().text(1, name);
            let attribute = values.iter().fold(attribute, |a, value| a.number(8, *value));
            node = node.message(5, attribute.number(20, INTS));
        }
        Self(self.0.message(1, node))
    }

    /// Adds constant numbers.
    pub(crate) fn constant(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let tensor = shape.iter().fold(Message::default(), |t, side| t.number(1, *side));
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self(self.0.message(5, tensor.number(2, FLOAT).text(8, name).bytes(9, &raw)))
    }

    /// Declares an input.
    pub(crate) fn input(self, name: &str, shape: &[usize]) -> Self {
        Self(self.0.message(11, port(name, shape)))
    }

    /// Declares an output.
    pub(crate) fn output(self, name: &str, shape: &[usize]) -> Self {
        Self(self.0.message(12, port(name, shape)))
    }

    /// The bytes of the ONNX file.
    pub(crate) fn file(self) -> Vec<u8> {
        let operators = Message::default().text(1, "").number(2, 13);
        let graph = self.0.text(2, "tiny");
        Message::default().number(1, 8).message(7, graph).message(8, operators).0
    }
}

fn port(name: &str, shape: &[usize]) -> Message {
    let dimensions =
        shape.iter().fold(Message::default(), |s, side| s.message(1, Message::default().number(1, *side)));
    let tensor = Message::default().number(1, FLOAT).message(2, dimensions);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}
