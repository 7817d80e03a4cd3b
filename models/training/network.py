"""Networks that are quick where a terminal runs: dense 3 x 3 convolutions on small maps, which become matrix products
in every engine, and rectifiers that engines fold into them. Depth-wise convolutions count fewer multiplications and
wait for memory instead."""

import onnx
import onnx.numpy_helper
import torch
from torch import nn

SLOPE = 0.1


def convolution(inputs, outputs, side=3, stride=1, active=True):
    layers = [nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs)]
    if active:
        layers.append(nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two convolutions and the way around them (He and others 2016)."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(convolution(channels, channels), convolution(channels, channels, active=False))
        self.active = nn.LeakyReLU(SLOPE, inplace=True)
        nn.init.zeros_(self.inner[1][1].weight)

    def forward(self, x):
        return self.active(x + self.inner(x))


def stage(inputs, outputs, blocks):
    """Half the side, then residual blocks."""
    return nn.Sequential(convolution(inputs, outputs, stride=2), *(Residual(outputs) for _ in range(blocks)))


def folded(network):
    """The same network for inference: each normalisation folded into the convolution before it."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            children = list(module)
            for at in range(len(children) - 1):
                if isinstance(children[at], nn.Conv2d) and isinstance(children[at + 1], nn.BatchNorm2d):
                    module[at] = nn.utils.fusion.fuse_conv_bn_eval(children[at], children[at + 1])
                    module[at + 1] = nn.Identity()
    return network


def multiply_adds(network, shape):
    """Multiplications with addition for one input, of convolutions and linear layers."""
    total = 0

    def count(module, _, output):
        nonlocal total
        weights = module.weight.numel()
        total += weights * output.shape[-2] * output.shape[-1] if output.dim() == 4 else weights

    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    network.eval()
    with torch.no_grad():
        network(torch.zeros(shape))
    for hook in hooks:
        hook.remove()
    return total


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def write(network, sample, path, outputs):
    """The network as an ONNX file with one input, called `input`."""
    how = {"opset_version": 13, "input_names": ["input"], "output_names": outputs}
    # Newer versions of torch have a second exporter, whose files differ; older ones do not know the word.
    if "dynamo" in torch.onnx.export.__code__.co_varnames:
        how["dynamo"] = False
    torch.onnx.export(network, sample, str(path), **how)


def export(network, sample, path, outputs):
    """The network for inference as an ONNX file; weights of layers as 16-bit floats, which halves the file and is
    turned back when it is loaded."""
    write(folded(network), sample, path, outputs)
    model = onnx.load(str(path))
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == "float32" and values.size >= 1024:
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype("float16"), name + "_half"))
            casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    # Names of layers and the exporter's version say nothing to an engine, and would change the digest.
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
