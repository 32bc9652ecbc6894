"""The topics of the demo: a fusion node in the root namespace and its cameras."""

RGB_TOPIC = '/rgb/image_raw'
THERMAL_TOPIC = '/thermal/image_raw'
RGB_INFO_TOPIC = '/rgb/camera_info'
THERMAL_INFO_TOPIC = '/thermal/camera_info'

FUSED_TOPIC = '/fused/image'
MASK_TOPIC = '/segmentation/mask'
OVERLAY_TOPIC = '/segmentation/overlay'
DIAGNOSTICS_TOPIC = '/diagnostics'

NODE = '/fusion_node'
