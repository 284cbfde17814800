r"""Deep Residual Learning for Image Recognition (He et al., 2015, arXiv:1512.03385).

A stack of layers learns what to change about its input, and the input itself is added back: $y = F(x) + x$. To do
nothing a block needs only weights near zero, so more blocks need not make a network worse, as more plain layers did.

The sequel is here too: Identity Mappings in Deep Residual Networks (He et al., 2016, arXiv:1603.05027) moves norm
and ReLU into the branch, so that nothing but additions lies between the first block and the last.

Shapes: B batch, C channels, N channels after the block, M width of a bottleneck, H height, W width, h and w height
and width after a stride, K classes, P colours.

Departs from the paper:
    A bottleneck halves the image in its 3x3 convolution, as libraries do today. The authors' has the stride in the
    first 1x1 (`stride_in_first=True`): then neither branch nor shortcut looks at three of four pixels.
    Normalisation in evaluation uses moving averages (momentum 0.1, epsilon 1e-5), as in PyTorch; the authors
    computed the statistics of their released models over a large batch, after training.
    Which side of the channels option A fills with zeros is not printed. Here the new ones come after the old ones;
    the other side is the same network with its channels renumbered.
    Pre-activation: every shortcut reads the block's input as it is. In the first block and where the shape changes,
    the authors normalise and rectify the input before it splits in two, and their projection has no norm.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of a residual network."""

    blocks: tuple[int, ...]  # in each stage; all stages but the first halve height and width
    widths: tuple[int, ...]  # channels of each stage's 3x3 convolutions
    n_classes: int  # K
    large_stem: bool  # True: 7x7 convolution and max-pool, 1/4 of the height; False: one 3x3
    bottleneck: bool = False  # blocks of three convolutions that hand over four times their width
    shortcut: str = "B"  # A, B or C: see `make_shortcut`
    in_channels: int = 3  # P
    stride_in_first: bool = False  # bottleneck: halve in the first 1x1, not in the 3x3

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together."""
        if not self.blocks or len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks {self.blocks} and widths {self.widths} are not one per stage")
        if min(*self.blocks, *self.widths, self.n_classes, self.in_channels) < 1:
            raise ValueError(f"every size must be at least 1: {self}")
        if self.shortcut not in ("A", "B", "C"):
            raise ValueError(f"shortcut {self.shortcut!r} is not A, B or C")
        if self.shortcut == "A" and list(self.widths) != sorted(self.widths):
            raise ValueError(f"option A adds channels and cannot take any away: {self.widths}")
        if self.stride_in_first and not self.bottleneck:
            raise ValueError("stride_in_first is about bottlenecks; these blocks are basic")

    @property
    def depth(self) -> int:
        """Layers as the paper counts them: convolutions in line and the classifier, not the projections.

        Example:
            >>> RESNET_50.depth
            50
        """
        return 2 + (3 if self.bottleneck else 2) * sum(self.blocks)


_IMAGENET = (64, 128, 256, 512)
RESNET_18 = ResNetConfig((2, 2, 2, 2), _IMAGENET, n_classes=1000, large_stem=True)
RESNET_34 = ResNetConfig((3, 4, 6, 3), _IMAGENET, n_classes=1000, large_stem=True)
RESNET_50 = ResNetConfig((3, 4, 6, 3), _IMAGENET, 1000, large_stem=True, bottleneck=True)
RESNET_101 = ResNetConfig((3, 4, 23, 3), _IMAGENET, 1000, large_stem=True, bottleneck=True)
RESNET_152 = ResNetConfig((3, 8, 36, 3), _IMAGENET, 1000, large_stem=True, bottleneck=True)
PAPER = RESNET_34  # what Figure 3 draws, and what is compared with its plain twin


def cifar(
    depth: int, width: int = 16, shortcut: str = "A", in_channels: int = 3, n_classes: int = 10
) -> ResNetConfig:
    """The small networks for 32x32 images: three stages of n blocks each, 6n + 2 layers (Section 4.2).

    Args:
        depth: 20, 32, 44, 56, 110 and 1202 in the paper.
        width: Channels of the first stage; the second has twice, the third four times as many.
        shortcut: The paper uses A here, so that plain and residual networks have the same parameters.
        in_channels: Colours.
        n_classes: K.

    Example:
        >>> cifar(20).blocks, cifar(20).widths
        ((3, 3, 3), (16, 32, 64))
    """
    n, left_over = divmod(depth - 2, 6)
    if n < 1 or left_over:
        raise ValueError(f"depth {depth} is not 6n + 2 with n of at least 1")
    widths = (width, 2 * width, 4 * width)
    return ResNetConfig(
        (n, n, n), widths, n_classes, False, shortcut=shortcut, in_channels=in_channels
    )


TINY = cifar(8, width=8, in_channels=1)  # for the 8x8 digits


def convolution(in_channels: int, channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps height and width but for its stride; no bias, as the norm would take it away again."""
    return nn.Conv2d(in_channels, channels, size, stride, padding=size // 2, bias=False)


def pad_channels(
    x: Float[Tensor, "B C H W"], stride: int, channels: int
) -> Float[Tensor, "B N h w"]:
    """Keep every `stride`-th row and column and add channels of zeros after those that are there (Section 3.3, A).

    Args:
        x: What the shortcut carries.
        stride: 1 keeps everything.
        channels: N, how many there shall be.

    Example:
        >>> import torch
        >>> pad_channels(torch.ones(1, 1, 2, 2), stride=2, channels=3).flatten().tolist()
        [1.0, 0.0, 0.0]
    """
    new = channels - x.shape[1]
    if new < 0:
        raise ValueError(f"{x.shape[1]} channels cannot be padded to {channels}")
    # A pool of one pixel picks what a slice would, and its gradient keeps the memory format; a slice's does not.
    return F.pad(F.avg_pool2d(x, 1, stride), (0, 0, 0, 0, 0, new))


class PaddedShortcut(nn.Module):
    """Option A: no parameters; new channels are zero (Section 3.3)."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """Apply `pad_channels`."""
        return pad_channels(x, self.stride, self.channels)


class Projection(nn.Module):
    """Options B and C: the matrix $W_s$ at every pixel (Eq. 2), as a 1x1 convolution and a norm."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = convolution(in_channels, channels, 1, stride)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """Project every `stride`-th pixel to N channels."""
        return self.norm(self.conv(x))


def make_shortcut(option: str, in_channels: int, channels: int, stride: int) -> nn.Module:
    """The way around a block (Sections 3.3 and 4.1).

    Args:
        option: A pads with zeros where the shape changes, B projects there, C projects in every block.
        in_channels: C.
        channels: N.
        stride: 2 where height and width are halved.

    Returns:
        `nn.Identity`, `PaddedShortcut` or `Projection`.
    """
    if option == "C":
        return Projection(in_channels, channels, stride)
    if in_channels == channels and stride == 1:
        return nn.Identity()
    if option == "A":
        return PaddedShortcut(channels, stride)
    return Projection(in_channels, channels, stride)


# In all blocks only the sum is rectified in place: what a norm puts out stays as it was, for whoever records it.


class BasicBlock(nn.Module):
    r"""Two 3x3 convolutions and the way around them (Figure 2; Eq. 1 and 2).

    $$y = \sigma(F(x) + s(x)) \qquad F(x) = \mathrm{BN}(W_2 * \sigma(\mathrm{BN}(W_1 * x)))$$

    $\sigma$ is the ReLU, s the shortcut; the second $\sigma$ follows the addition.
    """

    expansion = 1  # channels out per channel of width

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__()
        self.conv1 = convolution(in_channels, width, 3, stride)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = make_shortcut(config.shortcut, in_channels, width, stride)

    def branch(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """The residual F(x)."""
        x = self.norm1(self.conv1(x)).relu()
        return self.norm2(self.conv2(x))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """Add the residual to what the shortcut carries, then rectify."""
        return (self.branch(x) + self.shortcut(x)).relu_()


class Bottleneck(nn.Module):
    r"""1x1 to few channels, 3x3 among these, 1x1 to four times as many (Figure 5, right).

    $$y = \sigma(F(x) + s(x)) \qquad
      F(x) = \mathrm{BN}(W_3 * \sigma(\mathrm{BN}(W_2 * \sigma(\mathrm{BN}(W_1 * x)))))$$
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__()
        channels = width * self.expansion
        first, second = (stride, 1) if config.stride_in_first else (1, stride)
        self.conv1 = convolution(in_channels, width, 1, first)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, second)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, channels, 1)
        self.norm3 = nn.BatchNorm2d(channels)
        self.shortcut = make_shortcut(config.shortcut, in_channels, channels, stride)

    def branch(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """The residual F(x)."""
        x = self.norm1(self.conv1(x)).relu()  # B M H W, or B M h w with the stride in the first
        x = self.norm2(self.conv2(x)).relu()  # B M h w
        return self.norm3(self.conv3(x))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """Add the residual to what the shortcut carries, then rectify."""
        return (self.branch(x) + self.shortcut(x)).relu_()


class PreActivationBlock(nn.Module):
    r"""Norm and ReLU before each convolution, and nothing after the addition (He et al., 2016, Section 4).

    $$x_{l+1} = s(x_l) + F(x_l) \qquad
      F(x) = W_2 * \sigma(\mathrm{BN}(W_1 * \sigma(\mathrm{BN}(x))))$$

    Where all shortcuts are the identity, $x_L = x_l + \sum_{i=l}^{L-1} F(x_i)$: any block's output is any earlier
    one's plus what was learned in between, and the gradient takes the same way back (their Eq. 4 and 5).
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, config: ResNetConfig) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = convolution(in_channels, width, 3, stride)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.shortcut = make_shortcut(config.shortcut, in_channels, width, stride)

    def branch(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """The residual F(x)."""
        x = self.conv1(self.norm1(x).relu())
        return self.conv2(self.norm2(x).relu())

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N h w"]:
        """Add the residual to what the shortcut carries."""
        return self.branch(x) + self.shortcut(x)


class ResNet(nn.Module):
    """Stem, stages of blocks, the mean over all pixels, one linear layer (Table 1; small stem: Section 4.2)."""

    def __init__(self, config: ResNetConfig, block: type[nn.Module] | None = None) -> None:
        """Build it.

        Args:
            config: Sizes.
            block: Built as `block(in_channels, width, stride, config)`; its `expansion` times the width is what
                it hands over. None: what `config.bottleneck` says.
        """
        super().__init__()
        self.config = config
        block = block or (Bottleneck if config.bottleneck else BasicBlock)
        channels = config.widths[0]
        self.stem = nn.Sequential(
            convolution(config.in_channels, channels, 7, 2)
            if config.large_stem
            else convolution(config.in_channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        if config.large_stem:
            self.stem.append(nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.ModuleList()
        for stage, (blocks, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
            layers = nn.Sequential()
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(block(channels, width, stride, config))
                channels = width * block.expansion
            self.stages.append(layers)
        self.final: nn.Module = nn.Identity()
        self.classifier = nn.Linear(channels, config.n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Section 3.4: so started, gradients keep their size through convolution and ReLU.
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: Float[Tensor, "B P H W"]) -> Float[Tensor, "B C h w"]:
        """What the last block says about each pixel, before the mean over pixels."""
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return self.final(x)

    def forward(self, images: Float[Tensor, "B P H W"]) -> Float[Tensor, "B K"]:
        """Score each class.

        Args:
            images: Of any height and width; memory format `torch.channels_last` is kept throughout.

        Returns:
            Logits.
        """
        return self.classifier(self.features(images).mean(dim=(2, 3)))


class PreActivationResNet(ResNet):
    """The same network with nothing but additions between the blocks (He et al., 2016, Section 4).

    The first block begins with a norm, so the stem has none; the last sum gets one of its own.
    """

    def __init__(self, config: ResNetConfig, block: type[nn.Module] = PreActivationBlock) -> None:
        """Build it; a block that is given takes the place of `PreActivationBlock`.

        Raises:
            ValueError: For bottlenecks, which `PreActivationBlock` is not.
        """
        if config.bottleneck:
            raise ValueError("the pre-activation block is a basic one; config asks for bottlenecks")
        super().__init__(config, block)
        del self.stem[1:3]  # norm and ReLU
        self.final = nn.Sequential(nn.BatchNorm2d(self.classifier.in_features), nn.ReLU())
