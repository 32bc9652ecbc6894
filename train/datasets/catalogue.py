"""The known data sets; docs/datasets.md says where each comes from and what was tried."""

from __future__ import annotations

from train.datasets.classes import ClassMap
from train.datasets.layout import Layout
from train.datasets.layout import Parts

_FOLDERS = {'train': ('train',), 'test': ('test',)}
_WITH_VAL = {'train': ('train',), 'val': ('val',), 'test': ('test',)}

# Ha et al., MFNet, IROS 2017; MSRS (Tang et al., PIAFusion, Information Fusion 2022) kept them.
_MFNET = ClassMap({
    'unlabelled': (0, 0, 0),
    'car': (64, 0, 128),
    'person': (64, 64, 0),
    'bike': (0, 128, 192),
    'curve': (0, 0, 192),
    'car_stop': (128, 128, 0),
    'guardrail': (64, 64, 128),
    'color_cone': (192, 128, 128),
    'bump': (192, 64, 0),
})

# Liu et al., SegMiF, ICCV 2023.
_FMB = ClassMap({
    'unlabelled': (0, 0, 0),
    'road': (228, 228, 179),
    'sidewalk': (133, 57, 181),
    'building': (177, 162, 67),
    'lamp': (50, 178, 200),
    'sign': (199, 45, 132),
    'vegetation': (84, 172, 66),
    'sky': (79, 73, 179),
    'person': (166, 99, 76),
    'car': (253, 121, 66),
    'truck': (91, 165, 137),
    'bus': (152, 97, 155),
    'motorcycle': (140, 153, 105),
    'bicycle': (158, 215, 222),
    'pole': (90, 113, 135),
})

# Shivakumar et al., PST900, ICRA 2020.
_PST900 = ClassMap({
    'background': (0, 0, 0),
    'fire_extinguisher': (255, 0, 0),
    'backpack': (0, 255, 0),
    'hand_drill': (0, 0, 255),
    'survivor': (255, 255, 255),
})

LAYOUTS = {
    # The validation split is nobody's but the user's own.
    'msrs': Layout(
        (Parts('{split}/vi', '{split}/ir', '{split}/label'),
         Parts('{split}/vi', '{split}/ir', '{split}/Segmentation_labels')),
        _MFNET, _WITH_VAL),
    'fmb': Layout(
        (Parts('{split}/Visible', '{split}/Infrared', '{split}/Label'),), _FMB, _FOLDERS),
    'mfnet': Layout(
        (Parts('images', '', 'labels'),), _MFNET,
        {name: (name,) for name in ('train', 'val', 'test', 'test_day', 'test_night')},
        lists=True),
    'pst900': Layout(
        (Parts('{split}/rgb', '{split}/thermal', '{split}/labels'),), _PST900, _FOLDERS),
    # Liu et al., TarDAL, CVPR 2022: 300 pairs for fusion, 4200 with boxes for detection.
    'm3fd': Layout(
        (Parts('{split}/Vis', '{split}/Ir'), Parts('{split}/vi', '{split}/ir')),
        splits={'fusion': ('M3FD_Fusion',), 'detection': ('M3FD_Detection',)}),
    # Xu et al., FusionDN, AAAI 2020, and U2Fusion, TPAMI 2022.
    # Where there are masks, they are of cars and persons.
    'roadscene': Layout(
        (Parts('vi', 'ir'), Parts('vi', 'ir', 'label'),
         Parts('crop_LR_visible', 'cropinfrared')),
        _MFNET, annotated=('car', 'person')),
    # Brostow et al., ECCV 2008: RGB streets, labels of cars and pedestrians in MFNet's ids.
    'camvid': Layout((Parts('rgb', '', 'labels'),), _MFNET, cameras='rgb',
                     annotated=('car', 'person')),
    # Thermal images alone, with masks of persons.
    'msrs_thermal': Layout((Parts('', 'thermal', 'labels'),), _MFNET, cameras='thermal',
                           annotated=('car', 'person', 'bike')),
    # Toet, The TNO Multiband Image Data Collection, Data in Brief 2017.
    'tno': Layout((Parts('vi', 'ir'),)),
    # Jia et al., LLVIP, ICCV Workshops 2021.
    'llvip': Layout((Parts('visible/{split}', 'infrared/{split}'),), splits=_FOLDERS),
    # Hwang et al., Multispectral Pedestrian Detection, CVPR 2015: sets 0 to 5 are for training.
    'kaist': Layout(
        (Parts('{split}/V*/visible', '{split}/V*/lwir'),
         Parts('images/{split}/V*/visible', 'images/{split}/V*/lwir')),
        splits={'train': tuple(f'set{k:02}' for k in range(6)),
                'test': tuple(f'set{k:02}' for k in range(6, 12))}),
    'pairs': Layout(
        (Parts('{split}/rgb', '{split}/thermal', '{split}/labels'),),
        splits=_WITH_VAL, own_classes=True),
}
