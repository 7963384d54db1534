"""The paper's figures of the networks that see pictures: 8 and 9."""

from fer_sweep.reporting.document import Part, Picture, Prose, Section
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.tracking import figures


def figure_8(cnn: PaperStudy) -> Section:
    """Activation maps of the self-designed CNN."""
    measured = cnn.trial()
    explanation = None if measured is None else measured.result.explanation
    if explanation is None:
        return Section("Figure 8: activation maps", (Prose("The CNN did not end well, so there are none."),))
    assert measured is not None
    samples = measured.facts.samples
    maps = figures.activation_maps(explanation, title="Fig. 8: activation maps of the three blocks")
    cam = figures.grad_cam(
        explanation, samples.class_names, samples.y[explanation.samples], title="Beyond the paper: Grad-CAM"
    )
    captions = ("Paper: contours early, local features late, sparser with depth.", "What the CNN looks at.")
    return Section("Figure 8: activation maps", (Picture(maps, captions[0]), Picture(cam, captions[1])))


def figure_9(resnets: PaperStudy) -> Section:
    """Loss and accuracy of the fine-tuned ResNets."""
    parts: list[Part] = []
    for row, measured in resnets.trials():
        depth = row.assignments["model.depth"]
        picture = figures.training_curves(measured.result, title=f"Fig. 9: ResNet-{depth}, fine-tuned")
        parts.append(Picture(picture, f"ResNet-{depth}. Paper: losses on training and test data part, accuracy stays."))
    return Section("Figure 9: loss and accuracy of the ResNets", tuple(parts or [Prose("No ResNet ended well.")]))
